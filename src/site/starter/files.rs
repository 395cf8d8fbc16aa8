//! The files of a new site-config.

/// One file.
#[derive(Debug, Clone, Copy)]
pub struct Starter {
    /// Its path in the site-config.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
    /// Name of its schema.
    pub schema: Option<&'static str>,
}

impl Starter {
    /// What is secret is for the owner alone.
    pub fn mode(&self) -> u32 {
        if self.path == "secrets.yaml" {
            0o600
        } else {
            0o644
        }
    }
}

macro_rules! tree {
    ($from:literal: $($path:literal $schema:literal),+ $(,)?) => {
        &[$(Starter {
            path: $path,
            text: include_str!(concat!($from, $path)),
            schema: Some($schema),
        }),+]
    };
}

const TREE: &[Starter] = tree![
    "tree/":
    "site.yaml" "site",
    "secrets.yaml" "secrets",
    "envs/dev.yaml" "env",
    "postures/dev.yaml" "posture",
    "postures/local.yaml" "posture",
    "postures/prod.yaml" "posture",
    "postures/stage.yaml" "posture",
    "v2/postures/dev.yaml" "spec-posture",
    "v2/postures/local.yaml" "spec-posture",
    "v2/postures/prod.yaml" "spec-posture",
    "v2/postures/stage.yaml" "spec-posture",
    "vms/debian.yaml" "template",
    "vms/presets/large.yaml" "preset",
    "vms/presets/medium.yaml" "preset",
    "vms/presets/small.yaml" "preset",
    "vms/presets/xlarge.yaml" "preset",
    "vms/presets/xsmall.yaml" "preset",
];

/// Those that a new lab has too.
const SHARED: &[Starter] = tree![
    "../../../site/":
    "manifests/n1-basic.yaml" "manifest",
    "manifests/n1-mixed.yaml" "manifest",
    "manifests/n2-quick.yaml" "manifest",
    "v2/specs/base.yaml" "spec",
];

/// Files that are not for `hl`, and directories that have no file yet.
const OTHERS: &[Starter] = &[
    other(".gitignore", include_str!("tree/gitignore")),
    other(".sops.yaml", include_str!("tree/sops.yaml")),
    other("hosts/.gitkeep", ""),
    other("nodes/.gitkeep", ""),
];

const fn other(path: &'static str, text: &'static str) -> Starter {
    let schema = None;
    Starter { path, text, schema }
}

/// `secrets.yaml`, as it begins.
pub(in crate::site) fn secrets() -> String {
    let file = TREE.iter().find(|file| file.path == "secrets.yaml");
    file.map_or_else(String::new, |file| {
        first_line(file.path, "secrets") + file.text
    })
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Starter> {
    TREE.iter().chain(SHARED).chain(OTHERS)
}

/// The comment that tells an editor where a file's schema is, for a file at
/// `path` in a site-config.
pub fn first_line(path: &str, schema: &str) -> String {
    let up = "../".repeat(path.matches('/').count());
    format!("# yaml-language-server: $schema={up}.schemas/{schema}.json\n")
}
