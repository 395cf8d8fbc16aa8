//! Recipes cannot take the names of verbs.

use hl::layers::is_reserved;

use crate::support::Hl;

#[test]
fn every_verb_is_reserved() {
    let dir = tempfile::tempdir().unwrap();
    let help = Hl::new(dir.path()).cmd("--help").exits(0).stdout;
    let verbs: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Verbs:")
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    assert!(verbs.contains(&"list") && verbs.contains(&"up"), "{help}");
    for verb in verbs {
        assert!(is_reserved(verb), "`{verb}` is a verb and not reserved");
    }
}
