//! Whether Doppler is asked: `DOPPLER`, `FORCE_DOPPLER`, `CI` and `[doppler]`.

use crate::diag::{Diagnostic, Exit, Failure};
use crate::lab::DopplerMode;

/// What the variables and settings come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lab::environment) enum Decision {
    /// Not asked, and why.
    Off(String),
    /// Asked.
    On,
    /// Asked when the program is there and set up.
    Auto,
}

/// One of the deciding variables: how weak its source is (0 is the strongest),
/// and its value.
pub(in crate::lab::environment) type Found<'a> = Option<(usize, &'a str)>;

/// Decides. `look` finds a variable in the places that may decide.
///
/// `DOPPLER=0` wins over everything but a `FORCE_DOPPLER=1` from a stronger
/// source; `FORCE_DOPPLER=1` wins over `CI` and the mode; `CI` over
/// `DOPPLER=1`, which wins over the mode.
///
/// # Errors
/// A value is neither yes nor no (2).
pub(in crate::lab::environment) fn decide<'a>(
    mode: DopplerMode,
    look: impl Fn(&str) -> Found<'a>,
) -> Result<Decision, Failure> {
    let wanted = switch("DOPPLER", look("DOPPLER"))?;
    let forced = switch("FORCE_DOPPLER", look("FORCE_DOPPLER"))?;
    let forced_by = forced.and_then(|(source, yes)| yes.then_some(source));
    if let Some((source, false)) = wanted
        && forced_by.is_none_or(|forcing| forcing >= source)
    {
        return Ok(Decision::Off("`DOPPLER` is 0".to_owned()));
    }
    if forced_by.is_some() {
        return Ok(Decision::On);
    }
    let in_ci =
        look("CI").is_some_and(|(_, value)| !value.is_empty() && word(value) != Some(false));
    if in_ci {
        return Ok(Decision::Off(
            "`CI` is set and `FORCE_DOPPLER` is not".to_owned(),
        ));
    }
    Ok(match (wanted, mode) {
        (Some((_, true)), _) | (_, DopplerMode::On) => Decision::On,
        (_, DopplerMode::Auto) => Decision::Auto,
        (_, DopplerMode::Off) => {
            Decision::Off("`mode` is \"off\" in `[doppler]` of `hl.toml`".to_owned())
        }
    })
}

/// A variable that is yes or no; empty counts as not set.
fn switch(name: &str, found: Found<'_>) -> Result<Option<(usize, bool)>, Failure> {
    let Some((source, value)) = found.filter(|(_, value)| !value.is_empty()) else {
        return Ok(None);
    };
    match word(value) {
        Some(yes) => Ok(Some((source, yes))),
        None => Err(Failure::new(
            Exit::Usage,
            Diagnostic::error(format!("`{name}` is `{value}`, expected 0 or 1"))
                .help(format!("set `{name}=0` or `{name}=1`, or unset it")),
        )),
    }
}

fn word(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn with(mode: DopplerMode, vars: &[(&str, usize, &'static str)]) -> Result<Decision, Failure> {
        decide(mode, |name| {
            vars.iter()
                .filter(|(n, ..)| *n == name)
                .map(|(_, source, value)| (*source, *value))
                .min()
        })
    }

    #[rstest]
    #[case::by_default(DopplerMode::On, &[], true)]
    #[case::turned_off(DopplerMode::On, &[("DOPPLER", 1, "0")], false)]
    #[case::false_is_off(DopplerMode::On, &[("DOPPLER", 1, "false")], false)]
    #[case::empty_is_unset(DopplerMode::On, &[("DOPPLER", 1, "")], true)]
    #[case::stronger_wins(DopplerMode::On, &[("DOPPLER", 1, "1"), ("DOPPLER", 2, "0")], true)]
    #[case::ci(DopplerMode::On, &[("CI", 1, "true")], false)]
    #[case::ci_by_name(DopplerMode::On, &[("CI", 1, "woodpecker")], false)]
    #[case::no_ci(DopplerMode::On, &[("CI", 1, "false")], true)]
    #[case::ci_beats_wish(DopplerMode::On, &[("CI", 1, "true"), ("DOPPLER", 1, "1")], false)]
    #[case::force_beats_ci(DopplerMode::On, &[("CI", 1, "true"), ("FORCE_DOPPLER", 1, "1")], true)]
    #[case::force_beats_mode(DopplerMode::Off, &[("FORCE_DOPPLER", 1, "1")], true)]
    #[case::wish_beats_mode(DopplerMode::Off, &[("DOPPLER", 1, "1")], true)]
    #[case::mode(DopplerMode::Off, &[], false)]
    #[case::off_beats_force(DopplerMode::On, &[("DOPPLER", 1, "0"), ("FORCE_DOPPLER", 1, "1")], false)]
    #[case::off_beats_weaker_force(DopplerMode::On, &[("DOPPLER", 1, "0"), ("FORCE_DOPPLER", 2, "1")], false)]
    #[case::stronger_force_beats_off(DopplerMode::On, &[("DOPPLER", 2, "0"), ("FORCE_DOPPLER", 1, "1")], true)]
    fn who_wins(
        #[case] mode: DopplerMode,
        #[case] vars: &[(&str, usize, &'static str)],
        #[case] on: bool,
    ) {
        assert_eq!(with(mode, vars).unwrap() == Decision::On, on);
    }

    #[test]
    fn auto_is_left_to_what_is_found() {
        assert_eq!(with(DopplerMode::Auto, &[]).unwrap(), Decision::Auto);
    }

    #[test]
    fn neither_yes_nor_no_is_an_error() {
        let failure = with(DopplerMode::On, &[("DOPPLER", 1, "flase")]).unwrap_err();
        assert_eq!(failure.exit, Exit::Usage);
    }
}
