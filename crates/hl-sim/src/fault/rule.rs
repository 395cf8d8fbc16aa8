//! A rule as it is written.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::hits::Hits;

/// A fault: which calls or tasks it meets, and what becomes of them. In a file it
/// is a table of these keys, on a command line a text (see [`FaultRule`]'s
/// `FromStr`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultRule {
    /// Methods, `POST` or `PUT,DELETE`; none: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path below `/api2/json`: `*` stands for anything within a part, `**` for any
    /// number of parts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A type of task instead of a call: `clone` (or `qmclone`); `*` is any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Which hits it is for; none: every one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hit: Option<Hits>,
    /// Whether the work is done nevertheless: `before` (default) or `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// How long it takes until anything happens: `7s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow: Option<String>,
    /// HTTP status of an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Its message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What is wrong with which parameter.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: BTreeMap<String, String>,
    /// A body of another kind, such as a proxy's page, or JSON that is cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The connection breaks.
    #[serde(skip_serializing_if = "is_false")]
    pub lost: bool,
    /// Nothing comes, ever.
    #[serde(skip_serializing_if = "is_false")]
    pub hang: bool,
    /// How a task ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit: Option<String>,
    /// A condition of the world, see [`FaultRule::CONDITIONS`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub world: Option<String>,
    /// The storage of a condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// The node of a condition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// The VM of a condition, or the one that a task works on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vmid: Option<u32>,
    /// Why a VM is locked [backup].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lock: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl FaultRule {
    /// What `world` may be.
    pub const CONDITIONS: &'static [&'static str] = &[
        "storage-full",
        "storage-offline",
        "node-offline",
        "vm-locked",
        "vmid-taken",
        "certificate-expired",
        "certificate-not-yet-valid",
        "certificate-wrong-name",
        "certificate-self-signed",
        "tls-1.2",
    ];

    /// What `at` may be.
    pub const MOMENTS: &'static [&'static str] = &["before", "after"];
}

/// In the form of a command line.
impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = Vec::new();
        words.extend(self.method.clone());
        words.extend(self.path.as_deref().map(quoted));
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        let pairs = [
            ("task", self.task.clone()),
            ("hit", self.hit.map(String::from)),
            ("at", self.at.clone()),
            ("slow", self.slow.clone()),
            ("status", number(self.status.map(u32::from))),
            ("message", self.message.clone()),
            ("body", self.body.clone()),
            ("exit", self.exit.clone()),
            ("world", self.world.clone()),
            ("storage", self.storage.clone()),
            ("node", self.node.clone()),
            ("vmid", number(self.vmid)),
            ("lock", self.lock.clone()),
        ];
        for (key, value) in pairs {
            words.extend(value.map(|value| format!("{key}={}", quoted(&value))));
        }
        for (name, text) in &self.errors {
            words.push(format!("errors.{name}={}", quoted(text)));
        }
        for (set, word) in [(self.lost, "lost"), (self.hang, "hang")] {
            words.extend(set.then(|| word.to_owned()));
        }
        f.write_str(&words.join(" "))
    }
}

/// A value as a command line has it.
fn quoted(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && c != '"' && c != '\'';
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    // Of two kinds of quotes, pieces with the one stand in the other.
    let pieces = text.split('"').map(|piece| format!("\"{piece}\""));
    pieces.collect::<Vec<_>>().join("'\"'")
}
