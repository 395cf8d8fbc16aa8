//! Durations and the tiers that stand for them.

use std::collections::BTreeMap;

use super::fields::join;
use crate::diag::closest;
use crate::lab::Config;

/// The built-in tiers and their seconds; `[timeouts]` in `hl.toml` may change them.
pub const TIERS: [(&str, u64); 5] = [
    ("quick", 30),
    ("short", 60),
    ("medium", 300),
    ("long", 600),
    ("extended", 1200),
];

/// What is wrong with a timeout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimeoutError {
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// Seconds of `90s`, `60m`, `1h30m`; `None` when it is not a duration or zero.
pub fn parse(text: &str) -> Option<u64> {
    let mut total: u64 = 0;
    let mut number = String::new();
    let mut units = "hms";
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        // Each unit once, the largest first.
        let (_, rest) = units.split_once(c)?;
        units = rest;
        let factor = match c {
            'h' => 3600,
            'm' => 60,
            _ => 1,
        };
        let value: u64 = number.parse().ok()?;
        total = total.checked_add(value.checked_mul(factor)?)?;
        number.clear();
    }
    (number.is_empty() && total > 0).then_some(total)
}

/// Seconds of a duration or a tier. Without `config`, any word counts as a tier.
pub(super) fn resolve(text: &str, config: Option<&Config>) -> Result<u64, TimeoutError> {
    if let Some(seconds) = parse(text) {
        return Ok(seconds);
    }
    let mut tiers: BTreeMap<&str, Option<u64>> = TIERS
        .iter()
        .map(|(name, seconds)| (*name, Some(*seconds)))
        .collect();
    for (name, value) in config.iter().flat_map(|config| &config.timeouts) {
        tiers.insert(name, parse(value));
    }
    match tiers.get(text) {
        Some(Some(seconds)) => Ok(*seconds),
        Some(None) => Err(TimeoutError {
            message: format!("tier `{text}` is not a duration in `hl.toml`"),
            help: Some(format!("write e.g. `{text} = \"10m\"` in `[timeouts]`")),
        }),
        None if config.is_none() && text.starts_with(|c: char| c.is_alphabetic()) => Ok(0),
        None => Err(TimeoutError {
            message: format!("`{text}` is neither a duration nor a tier"),
            help: match closest(text, tiers.keys().copied()) {
                Some(tier) => Some(format!("did you mean `{tier}`?")),
                None => Some(format!(
                    "write e.g. `90s`, `60m`, `1h30m`, or a tier: {}",
                    join(&tiers.keys().copied().collect::<Vec<_>>(), "or")
                )),
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_and_nonsense() {
        assert_eq!(parse("60m"), Some(3600));
        assert_eq!(parse("1h30m"), Some(5400));
        for wrong in [
            "",
            "m",
            "60",
            "0s",
            "5m5m",
            "5s1h",
            "-5s",
            "1d",
            "99999999999999999999s",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_lab_may_change_tiers() {
        let mut config = Config::default();
        config.timeouts.insert("quick".to_owned(), "5s".to_owned());
        assert_eq!(resolve("quick", Some(&config)).ok(), Some(5));
        assert_eq!(resolve("long", Some(&config)).ok(), Some(600));
        assert!(resolve("lnog", Some(&config)).is_err());
    }

    proptest! {
        #[test]
        fn any_sum_is_read(h in 0u64..100, m in 0u64..100, s in 1u64..100) {
            prop_assert_eq!(parse(&format!("{h}h{m}m{s}s")), Some(h * 3600 + m * 60 + s));
        }
    }
}
