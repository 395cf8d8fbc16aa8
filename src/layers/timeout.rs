//! What `timeout = "..."` of a step means.

use super::fields::join;
use crate::diag::closest;
use crate::lab::Config;
use crate::lab::timeouts::{NO_LIMIT, TIERS, parse_duration, resolve as meaning};

/// What is wrong with a timeout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TimeoutError {
    pub(super) message: String,
    pub(super) help: String,
}

/// Seconds of `5s`, `1h 30m`; nothing when it is no duration, or less than one.
pub(super) fn seconds(text: &str) -> Option<u64> {
    let seconds = parse_duration(text)?.as_secs();
    (seconds > 0).then_some(seconds)
}

/// Seconds of a duration or a tier; nothing where no limit is meant. Without
/// `config`, any word counts as a tier.
pub(super) fn resolve(text: &str, config: Option<&Config>) -> Result<Option<u64>, TimeoutError> {
    if text == NO_LIMIT {
        return Ok(None);
    }
    limit(text, config).map(Some)
}

fn limit(text: &str, config: Option<&Config>) -> Result<u64, TimeoutError> {
    let Some(config) = config else {
        let word = text.starts_with(|c: char| c.is_alphabetic());
        return if word {
            Ok(0)
        } else {
            seconds(text).ok_or_else(|| unknown(text, &[]))
        };
    };
    if let Some(duration) = meaning(text, &config.timeouts) {
        return Ok(duration.as_secs().max(1));
    }
    if config.timeouts.contains_key(text) {
        return Err(TimeoutError {
            message: format!("tier `{text}` is not a duration in `hl.toml`"),
            help: format!("write e.g. `{text} = \"10m\"` in `[timeouts]`"),
        });
    }
    let own: Vec<&str> = config.timeouts.keys().map(String::as_str).collect();
    Err(unknown(text, &own))
}

fn unknown(text: &str, own: &[&str]) -> TimeoutError {
    let tiers: Vec<&str> = TIERS
        .iter()
        .map(|(name, _)| *name)
        .chain(own.iter().copied())
        .chain([NO_LIMIT])
        .collect();
    TimeoutError {
        message: format!("`{text}` is neither a duration nor a tier"),
        help: match closest(text, tiers.iter().copied()) {
            Some(tier) => format!("did you mean `{tier}`?"),
            None => format!(
                "write e.g. `90s`, `60m`, `1h 30m`, or a word: {}",
                join(&tiers, "or")
            ),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lab_may_change_tiers() {
        let mut config = Config::default();
        config.timeouts.insert("quick".to_owned(), "5s".to_owned());
        config.timeouts.insert("odd".to_owned(), "never".to_owned());
        assert_eq!(resolve("quick", Some(&config)), Ok(Some(5)));
        assert_eq!(resolve("long", Some(&config)), Ok(Some(600)));
        assert_eq!(resolve("1h 30m", Some(&config)), Ok(Some(5400)));
        let odd = resolve("odd", Some(&config)).unwrap_err();
        assert_eq!(odd.message, "tier `odd` is not a duration in `hl.toml`");
        let slip = resolve("lnog", Some(&config)).unwrap_err();
        assert_eq!(slip.help, "did you mean `long`?");
        assert_eq!(resolve("lnog", None), Ok(Some(0)));
        assert_eq!(resolve("none", Some(&config)), Ok(None));
        assert_eq!(resolve("none", None), Ok(None));
    }
}
