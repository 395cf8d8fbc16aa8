//! The table of calls in `docs/simulator.md` is the one that the simulator answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::page;

/// Paths by area, each with its methods.
fn table() -> String {
    let mut paths: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (method, path) in hl_sim::endpoints() {
        let path = path.trim_end_matches('/');
        let path = if path.is_empty() { "/" } else { path };
        paths.entry(path.to_owned()).or_default().push(method);
    }
    let calls: usize = paths.values().map(Vec::len).sum();
    let mut text = format!("{calls} calls:\n\n| path | methods |\n|---|---|\n");
    for (path, mut methods) in paths {
        methods.sort_unstable();
        writeln!(text, "| `{path}` | {} |", methods.join(" ")).unwrap();
    }
    text
}

#[test]
fn the_page_lists_what_is_answered() {
    page::part("calls", |_| table());
}
