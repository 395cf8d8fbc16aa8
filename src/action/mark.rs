//! What tells on the node which run made a machine: a part of its description, written
//! by the very call that makes it.

use crate::tofu::summary::{Kind, Summary};

/// The mark of a run on the machine of a key, `MANIFEST/HOST/NODE`.
pub(super) fn mark(run: &str, key: &str) -> String {
    format!("[hl run {run} node {key}]")
}

/// The description of a machine that this run makes. It is one line, as the node keeps
/// no space at its ends.
pub(super) fn description(manifest: &str, image: &str, run: &str, key: &str) -> String {
    let mark = mark(run, key);
    format!(
        "Manifest {manifest}, from {image}. Made by hl: change it in the manifest, not here. {mark}"
    )
}

/// Whether a description has the mark.
pub(super) fn has(description: Option<&str>, run: &str, key: &str) -> bool {
    // A run without an id makes nothing.
    !run.is_empty() && description.is_some_and(|text| text.contains(&mark(run, key)))
}

/// Whether a description has the mark of any run on that machine.
pub(super) fn is_of_node(description: Option<&str>, key: &str) -> bool {
    let end = format!(" node {key}]");
    description.is_some_and(|text| text.contains("[hl run ") && text.contains(&end))
}

/// The machines that a plan would destroy or replace and that this run did not make.
pub(super) fn lost<'s>(summary: &'s Summary, run: &str, key: &str) -> Vec<&'s str> {
    let lost = summary.changes.iter().filter(|change| {
        let before = change.before.as_ref();
        let description = before.and_then(|vm| vm.description.as_deref());
        matches!(change.kind, Kind::Replace | Kind::Destroy) && !has(description, run, key)
    });
    lost.map(|change| change.name.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tofu::summary::{Change, Vm};

    #[test]
    fn only_the_same_run_and_node_have_the_mark() {
        let key = "m/pve/web";
        let text = description("m", "debian-13", "20260101-000000-abcd", key);
        assert!(!text.contains('\n') && text.trim() == text);
        let has = |run: &str, key: &str| has(Some(&text), run, key);
        assert!(has("20260101-000000-abcd", key));
        assert!(!has("20260101-000000-abce", key));
        assert!(!has("20260101-000000-abcd", "m/pve/we"));
        assert!(!has("", key));
        assert!(is_of_node(Some(&text), key) && !is_of_node(Some(&text), "m/pve/we"));
        assert!(!super::has(None, "20260101-000000-abcd", key));
    }

    #[test]
    fn only_what_this_run_made_may_be_replaced() {
        let change = |name: &str, kind, run: &str| Change {
            address: String::new(),
            name: name.to_owned(),
            kind,
            before: Some(Vm {
                description: Some(description("m", "debian-13", run, "m/pve/web")),
                ..Vm::default()
            }),
            after: None,
            details: Vec::new(),
        };
        let summary = Summary {
            changes: vec![
                change("own", Kind::Replace, "r1"),
                change("older", Kind::Replace, "r0"),
                change("gone", Kind::Destroy, "r0"),
                change("kept", Kind::Change, "r0"),
            ],
            ..Summary::default()
        };
        assert_eq!(lost(&summary, "r1", "m/pve/web"), ["older", "gone"]);
    }
}
