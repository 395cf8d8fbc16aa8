//! The kinds of files, and where each lies.

/// A kind of file: its name is the file's stem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `envs/`
    Env,
    /// `postures/`: flat, for Ansible.
    Posture,
    /// `v2/postures/`: nested, for specs and tokens.
    SpecPosture,
    /// `vms/`
    Template,
    /// `vms/presets/`
    Preset,
    /// `v2/presets/`
    NodePreset,
    /// `nodes/`
    Node,
    /// `hosts/`
    Host,
    /// `v2/specs/`
    Spec,
    /// `manifests/`
    Manifest,
}

impl Kind {
    /// All of them, in the order in which they are checked.
    pub const ALL: [Self; 10] = [
        Self::Node,
        Self::Host,
        Self::Env,
        Self::Template,
        Self::Preset,
        Self::NodePreset,
        Self::Posture,
        Self::SpecPosture,
        Self::Spec,
        Self::Manifest,
    ];

    /// Its directory in a site-config.
    pub fn dir(self) -> &'static str {
        match self {
            Self::Env => "envs",
            Self::Posture => "postures",
            Self::SpecPosture => "v2/postures",
            Self::Template => "vms",
            Self::Preset => "vms/presets",
            Self::NodePreset => "v2/presets",
            Self::Node => "nodes",
            Self::Host => "hosts",
            Self::Spec => "v2/specs",
            Self::Manifest => "manifests",
        }
    }

    /// What one is called.
    pub fn word(self) -> &'static str {
        match self {
            Self::Env => "environment",
            Self::Posture | Self::SpecPosture => "posture",
            Self::Template => "template",
            Self::Preset | Self::NodePreset => "preset",
            Self::Node => "node",
            Self::Host => "host",
            Self::Spec => "spec",
            Self::Manifest => "manifest",
        }
    }
}
