//! `hl --scenario NAME ...`: how scenarios are named where there is no verb.

use std::ffi::OsString;

/// Puts the verb in front, where only a flag names it: `--scenario NAME` and `-S NAME`
/// (`scenario NAME`), `--list-scenarios` (`scenario --list`), `--preflight`
/// (`preflight`).
pub(in crate::cli) fn own_flags(args: &mut Vec<OsString>) {
    let text = |at: usize| args.get(at).and_then(|word| word.to_str());
    if !text(1).is_some_and(|word| word.starts_with('-')) {
        return;
    }
    let end = args
        .iter()
        .position(|word| word == "--")
        .unwrap_or(args.len());
    let is = |found: &dyn Fn(&str) -> bool| (1..end).find(|at| text(*at).is_some_and(found));
    if let Some(at) = is(&|word| word == "--scenario" || word == "-S") {
        let name = (at + 1 < end).then(|| args.remove(at + 1));
        args.remove(at);
        front(args, "scenario", name);
    } else if let Some(at) = is(&|word| word.starts_with("--scenario=")) {
        let word = args.remove(at);
        let name = word.to_str().and_then(|word| word.split_once('='));
        let name = name.map(|(_, name)| OsString::from(name));
        front(args, "scenario", name);
    } else if let Some(at) = is(&|word| word == "--list-scenarios") {
        args.remove(at);
        front(args, "scenario", Some("--list".into()));
    } else if let Some(at) = is(&|word| word == "--preflight") {
        args.remove(at);
        front(args, "preflight", None);
    }
}

fn front(args: &mut Vec<OsString>, verb: &str, name: Option<OsString>) {
    let words = std::iter::once(verb.into()).chain(name);
    args.splice(1..1, words);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let mut args: Vec<OsString> = text.split_whitespace().map(OsString::from).collect();
        own_flags(&mut args);
        let words: Vec<&str> = args.iter().filter_map(|word| word.to_str()).collect();
        words.join(" ")
    }

    #[test]
    fn a_flag_that_names_a_scenario_is_a_verb() {
        for (typed, meant) in [
            ("hl -S pve-setup --local", "hl scenario pve-setup --local"),
            (
                "hl --local --scenario pve-setup -v",
                "hl scenario pve-setup --local -v",
            ),
            (
                "hl --scenario=pve-setup -t 60",
                "hl scenario pve-setup -t 60",
            ),
            ("hl --list-scenarios --json", "hl scenario --list --json"),
            ("hl --preflight --host x", "hl preflight --host x"),
            ("hl -S x --preflight", "hl scenario x --preflight"),
            ("hl -S", "hl scenario"),
            ("hl l2-apply --scenario x", "hl l2-apply --scenario x"),
            ("hl -- --scenario x", "hl -- --scenario x"),
            ("hl", "hl"),
        ] {
            assert_eq!(read(typed), meant);
        }
    }
}
