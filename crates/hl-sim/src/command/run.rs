//! Which program is meant.

use super::exchange::{CommandReply, CommandRequest};
use super::node::Node;
use super::verb::{self, Program};
use super::{pct, pvesh, pvesm, pveum, qm};

/// The programs, with where a node has them.
pub const PROGRAMS: [(&str, &str); 5] = [
    ("qm", "/usr/sbin/qm"),
    ("pct", "/usr/sbin/pct"),
    ("pvesm", "/usr/sbin/pvesm"),
    ("pveum", "/usr/sbin/pveum"),
    ("pvesh", "/usr/bin/pvesh"),
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
    let said = match name.as_str() {
        "qm" => verb::run(node, &Program("qm", qm::VERBS), args),
        "pct" => verb::run(node, &Program("pct", pct::VERBS), args),
        "pvesm" => verb::run(node, &Program("pvesm", pvesm::VERBS), args),
        "pveum" => verb::run(node, &Program("pveum", pveum::VERBS), args),
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
