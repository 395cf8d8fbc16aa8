//! `--limit`: hosts or groups, separated by commas.

/// Whether a host is meant: nothing stands for all, and so do patterns that only
/// ansible understands.
pub(super) fn is_meant(limit: &str, host: &str, is_in: impl Fn(&str) -> bool) -> bool {
    let words = limit.split(',').map(str::trim);
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    words.is_empty()
        || !words.iter().all(|word| word.chars().all(plain))
        || words
            .iter()
            .any(|word| *word == host || *word == "all" || is_in(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_picks_hosts_and_groups_and_patterns_pick_all() {
        for (limit, is) in [
            ("", true),
            ("web", true),
            ("web-1, app", true),
            ("all", true),
            ("all:!web", true),
            ("app-1", false),
        ] {
            assert_eq!(
                is_meant(limit, "web-1", |group| group == "web"),
                is,
                "{limit}"
            );
        }
    }
}
