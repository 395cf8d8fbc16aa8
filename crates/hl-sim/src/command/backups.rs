//! `vzdump` and `qmrestore`: programs without verbs.

use super::verb::{Verb, call};

pub(super) const RESTORE: &[Verb] = &[call("", "archive vmid", "POST", "nodes/{node}/qemu")];
pub(super) const DUMP: &[Verb] = &[call("", "vmid...", "POST", "nodes/{node}/vzdump")];
