//! The JSON events of an apply (ui 1.x): progress of each resource, what is
//! done, and diagnostics in words.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;

/// What the events so far have said.
#[derive(Debug, Default)]
pub struct Events {
    /// Resources that are being worked on, with what is done to them.
    running: BTreeSet<String>,
    /// How many are done.
    pub done: u64,
    /// How many were planned.
    pub total: u64,
    /// Keys or addresses of what was destroyed.
    pub destroyed: BTreeSet<String>,
    /// Keys or addresses of what was created.
    pub created: BTreeSet<String>,
    /// Errors in words: summary, detail, resource.
    pub errors: Vec<String>,
    /// Warnings in words.
    pub warnings: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    #[serde(rename = "@message")]
    message: String,
    hook: Option<Hook>,
    diagnostic: Option<Diagnostic>,
    changes: Option<Changes>,
}

#[derive(Deserialize)]
struct Hook {
    resource: Resource,
    #[serde(default)]
    action: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resource {
    addr: String,
    resource_key: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Diagnostic {
    severity: String,
    summary: String,
    detail: String,
    address: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Changes {
    operation: String,
    add: u64,
    change: u64,
    remove: u64,
}

impl Resource {
    fn name(&self) -> &str {
        self.resource_key.as_str().unwrap_or(&self.addr)
    }
}

impl Events {
    /// Takes one line; what is no event is no progress. Returns what a display
    /// should say now, when that changed.
    pub fn line(&mut self, line: &str) -> Option<String> {
        let event: Event = serde_json::from_str(line).ok()?;
        match (event.kind.as_str(), event.hook, event.diagnostic) {
            ("planned_change", ..) => {
                self.total += 1;
                None
            }
            ("change_summary", ..) => {
                let changes = event.changes?;
                if changes.operation == "plan" {
                    self.total = changes.add + changes.change + changes.remove;
                }
                None
            }
            ("apply_start", Some(hook), _) => {
                let name = hook.resource.name().to_owned();
                let text = format!("{} {name}", doing(&hook.action));
                self.running.insert(name);
                Some(text)
            }
            // Its `elapsed_seconds` are those since the last such event.
            ("apply_progress", Some(hook), _) => {
                Some(format!("{} {}", doing(&hook.action), hook.resource.name()))
            }
            ("apply_complete", Some(hook), _) => {
                let name = hook.resource.name().to_owned();
                self.running.remove(&name);
                self.done += 1;
                let text = format!("{} {name}", did(&hook.action));
                match hook.action.as_str() {
                    "delete" => self.destroyed.insert(name),
                    "create" => self.created.insert(name),
                    _ => false,
                };
                Some(text)
            }
            ("apply_errored", Some(hook), _) => {
                let name = hook.resource.name();
                self.running.remove(name);
                Some(format!("failed {name}"))
            }
            ("diagnostic", _, Some(diagnostic)) => {
                let text = words(&diagnostic);
                let list = if diagnostic.severity == "error" {
                    &mut self.errors
                } else {
                    &mut self.warnings
                };
                if !list.contains(&text) {
                    list.push(text);
                }
                None
            }
            ("log", ..) if event.message.contains("Interrupt") => Some(event.message),
            _ => None,
        }
    }
}

/// A diagnostic in one line.
fn words(diagnostic: &Diagnostic) -> String {
    let detail: Vec<&str> = diagnostic.detail.split_whitespace().collect();
    let mut text = diagnostic.summary.trim().to_owned();
    if !detail.is_empty() {
        text = format!("{text}: {}", detail.join(" "));
    }
    if !diagnostic.address.is_empty() {
        text = format!("{text} ({})", diagnostic.address);
    }
    text
}

fn doing(action: &str) -> &'static str {
    match action {
        "create" => "creating",
        "delete" => "destroying",
        "update" => "changing",
        _ => "working on",
    }
}

fn did(action: &str) -> &'static str {
    match action {
        "create" => "created",
        "delete" => "destroyed",
        "update" => "changed",
        _ => "finished",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(kind: &str, action: &str, seconds: u32) -> String {
        serde_json::json!({
            "@message": "m", "type": kind,
            "hook": {"resource": {"addr": "vm.vm[\"web-1\"]", "resource_key": "web-1"}, "action": action, "elapsed_seconds": seconds},
        })
        .to_string()
    }

    #[test]
    fn a_resource_is_followed_from_start_to_end() {
        let mut events = Events::default();
        events.line(r#"{"type":"planned_change","change":{}}"#);
        events.line(r#"{"type":"planned_change","change":{}}"#);
        let said: Vec<_> = [
            hook("apply_start", "delete", 0),
            hook("apply_complete", "delete", 2),
            hook("apply_start", "create", 0),
            hook("apply_progress", "create", 10),
            hook("apply_complete", "create", 12),
        ]
        .iter()
        .filter_map(|line| events.line(line))
        .collect();
        assert_eq!(
            said,
            [
                "destroying web-1",
                "destroyed web-1",
                "creating web-1",
                "creating web-1",
                "created web-1"
            ]
        );
        assert_eq!((events.done, events.total), (2, 2));
        assert!(events.destroyed.contains("web-1") && events.created.contains("web-1"));
    }

    #[test]
    fn diagnostics_become_one_line_each_and_noise_is_ignored() {
        let mut events = Events::default();
        let error = r#"{"type":"diagnostic","diagnostic":{"severity":"error","summary":"error creating VM","detail":"All attempts\n  fail","address":"vm.vm[\"a\"]"}}"#;
        events.line(error);
        events.line(error);
        events
            .line(r#"{"type":"diagnostic","diagnostic":{"severity":"warning","summary":"agent"}}"#);
        for noise in ["", "{}", "not json", "{\"type\":\"apply_start\"}", "[]"] {
            assert_eq!(events.line(noise), None);
        }
        assert_eq!(
            events.errors,
            ["error creating VM: All attempts fail (vm.vm[\"a\"])"]
        );
        assert_eq!(events.warnings, ["agent"]);
    }
}
