//! The flags that let something go wrong on a simulated node.

use camino::Utf8PathBuf;
use clap::{Args, ValueHint};

/// What is to go wrong on a simulated node.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct FaultFlags {
    /// Let something go wrong on the simulated node, e.g. 'POST /nodes/*/qemu hit=2 status=500'
    #[arg(long, value_name = "RULE")]
    pub fault: Vec<String>,
    /// Rules of a file: tables `[[fault]]`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub faults: Option<Utf8PathBuf>,
}
