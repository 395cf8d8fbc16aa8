//! What `qm` and `pct` have in common, about VMs and about containers.

use super::lines;
use super::verb::Shows::Lines;
use super::verb::{Verb, call};

pub(super) const VERBS: &[Verb] = &[
    on("config", "vmid", "GET", "config").shows(Lines(lines::config)),
    on("pending", "vmid", "GET", "pending").shows(Lines(lines::pending)),
    on("status", "vmid", "GET", "status/current").shows(Lines(lines::status)),
    on("start", "vmid", "POST", "status/start"),
    on("stop", "vmid", "POST", "status/stop"),
    on("shutdown", "vmid", "POST", "status/shutdown"),
    on("reboot", "vmid", "POST", "status/reboot"),
    on("suspend", "vmid", "POST", "status/suspend"),
    on("resume", "vmid", "POST", "status/resume"),
    on("clone", "vmid newid", "POST", "clone"),
    on("migrate", "vmid target", "POST", "migrate"),
    on("template", "vmid", "POST", "template"),
    on("destroy", "vmid", "DELETE", ""),
    on("snapshot", "vmid snapname", "POST", "snapshot"),
    on("delsnapshot", SNAPSHOT, "DELETE", "snapshot/{snapname}"),
    on("rollback", SNAPSHOT, "POST", "snapshot/{snapname}/rollback"),
    on("listsnapshot", "vmid", "GET", "snapshot").shows(Lines(lines::snapshots)),
];

const SNAPSHOT: &str = "vmid snapname";

type Text = &'static str;

/// One about a guest of the program's kind.
pub(super) const fn on(words: Text, args: Text, method: Text, path: Text) -> Verb {
    call(words, args, method, path).below("nodes/{node}/{guests}/{vmid}/")
}
