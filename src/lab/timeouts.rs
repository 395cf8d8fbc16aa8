//! Durations as people write them (`30s`, `1h 30m`) and the named tiers.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;

/// The built-in tiers, shortest first.
pub const TIERS: &[(&str, Duration)] = &[
    ("quick", Duration::from_secs(30)),
    ("short", Duration::from_mins(1)),
    ("medium", Duration::from_mins(5)),
    ("long", Duration::from_mins(10)),
    ("extended", Duration::from_mins(20)),
];

/// The tier that limits a step whose definition says nothing; after as long a
/// step without any limit is told of.
pub const DEFAULT: &str = "long";

/// What `timeout` says where no limit is meant. No tier may be called so.
pub const NO_LIMIT: &str = "none";

/// [`DEFAULT`] as a lab with these tiers has it.
pub fn default(tiers: &BTreeMap<String, String>) -> Option<Duration> {
    resolve(DEFAULT, tiers)
}

/// A duration such as `30s`, `5m` or `1h 30m`; nothing when the text is none,
/// or is zero or negative.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let parsed: SignedDuration = text.trim().parse().ok()?;
    Duration::try_from(parsed).ok().filter(|d| !d.is_zero())
}

/// What `text` means: a tier of `[timeouts]`, a built-in tier, or a duration.
pub fn resolve(text: &str, tiers: &BTreeMap<String, String>) -> Option<Duration> {
    if let Some(own) = tiers.get(text) {
        return parse_duration(own);
    }
    TIERS
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, duration)| *duration)
        .or_else(|| parse_duration(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_positive_and_have_units() {
        assert_eq!(parse_duration("30s"), Some(Duration::from_secs(30)));
        assert_eq!(parse_duration("90m"), Some(Duration::from_mins(90)));
        assert_eq!(parse_duration("1h 30m"), Some(Duration::from_mins(90)));
        for wrong in ["", "30", "-5s", "0s", "soon"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_tier_of_the_lab_wins_over_the_built_in_one() {
        let tiers = BTreeMap::from([("quick".to_owned(), "45s".to_owned())]);
        assert_eq!(resolve("quick", &tiers), Some(Duration::from_secs(45)));
        assert_eq!(resolve("long", &tiers), Some(Duration::from_mins(10)));
        assert_eq!(resolve("2m", &tiers), Some(Duration::from_mins(2)));
        assert_eq!(resolve("forever", &tiers), None);
        assert_eq!(default(&tiers), Some(Duration::from_mins(10)));
        let tiers = BTreeMap::from([("long".to_owned(), "1h".to_owned())]);
        assert_eq!(default(&tiers), Some(Duration::from_hours(1)));
    }
}
