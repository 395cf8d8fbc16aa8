//! Which program is meant.

use super::exchange::{CommandReply, CommandRequest};
use super::node::Node;
use super::verb::{self, Program, Verb};
use super::{backups, guest, pct, pvesh, pvesm, pveum, qm};

/// The programs, with where a node has them.
pub const PROGRAMS: [(&str, &str); 7] = [
    ("qm", "/usr/sbin/qm"),
    ("pct", "/usr/sbin/pct"),
    ("pvesm", "/usr/sbin/pvesm"),
    ("pveum", "/usr/sbin/pveum"),
    ("pvesh", "/usr/bin/pvesh"),
    ("qmrestore", "/usr/sbin/qmrestore"),
    ("vzdump", "/usr/bin/vzdump"),
];

/// How many words a command line may have.
const WORDS: usize = 512;

/// Runs a command line to its end.
pub(super) fn run(node: &Node<'_>, request: &CommandRequest) -> CommandReply {
    let Some((name, args)) = request.argv.split_first() else {
        return CommandReply::failed("no program was named");
    };
    if args.len() > WORDS {
        return CommandReply::failed("too many arguments");
    }
    let of = |verbs: &[&'static [Verb]]| verb::run(node, &Program { name, verbs }, args);
    let said = match name.as_str() {
        "qm" => of(&[qm::VERBS, guest::VERBS]),
        "pct" => of(&[pct::VERBS, guest::VERBS]),
        "pvesm" => of(&[pvesm::VERBS]),
        "pveum" => of(pveum::VERBS),
        "qmrestore" => of(&[backups::RESTORE]),
        "vzdump" => of(&[backups::DUMP]),
        "pvesh" => pvesh::run(node, args),
        other => return CommandReply::failed(format!("{other}: not part of a simulated node")),
    };
    match said {
        Ok(out) => CommandReply {
            out,
            ..CommandReply::default()
        },
        Err(reply) => reply,
    }
}
