//! What a step's result rests on beside its inputs, so that a resumed run can
//! tell whether it still stands.

use camino::Utf8PathBuf;

/// Whether an earlier result may stand in for running a step again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// It never may: the step runs each time. Why, e.g. `it reads and checks`.
    Never(&'static str),
    /// As long as action, inputs and these are the same.
    On(Reads),
}

/// What a step reads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reads {
    /// Files and directories, whole.
    pub paths: Vec<Utf8PathBuf>,
    /// Variables of the environment.
    pub variables: Vec<&'static str>,
}

impl Reads {
    /// Files and directories.
    pub fn paths(paths: impl IntoIterator<Item = Utf8PathBuf>) -> Self {
        Self {
            paths: paths.into_iter().collect(),
            variables: Vec::new(),
        }
    }

    /// Beside them, the node that the step works on.
    #[must_use]
    pub fn on_the_node(mut self) -> Self {
        self.variables.extend(NODE);
        self
    }
}

/// The variables that say which node it is, and what is used of it.
const NODE: [&str; 7] = [
    "PVE_ACCESS_HOST",
    "PVE_NODE",
    "PVE_STORAGE_VM",
    "PVE_STORAGE_ISO",
    "PVE_STORAGE_IMPORT",
    "PVE_BRIDGE",
    "PVE_BUILD_ADDRESS",
];
