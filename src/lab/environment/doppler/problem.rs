//! What can go wrong with Doppler, each with its one clear error.

use std::time::Duration;

use crate::diag::{Diagnostic, Exit, Failure};

/// Why Doppler gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::lab::environment) enum Problem {
    /// There is no such program on PATH.
    NotInstalled(String),
    /// Neither `doppler login` nor a token.
    NoLogin,
    /// No project and config chosen, or ones that are not there.
    NoProject(String),
    /// The token is wrong, expired, or may not read this.
    Token(String),
    /// Doppler cannot be reached, and there is no fallback file.
    Network(String),
    /// No answer in time.
    TooLong(Duration),
    /// Anything else, in its own words.
    Other(String),
}

impl Problem {
    /// Which one it is, by what the program wrote (`said`) and its first error.
    pub(super) fn of(said: &str, error: Option<String>) -> Self {
        let error = error.unwrap_or_else(|| "it failed and gave no reason".to_owned());
        let words = error.to_lowercase();
        // Go's network errors begin so; their address holds the words below.
        if words.starts_with("get \"") {
            Self::Network(error)
        } else if words.contains("must provide a token") {
            Self::NoLogin
        } else if ["token", "unauthorized", "permission", "access", "forbidden"]
            .iter()
            .any(|word| words.contains(word))
        {
            Self::Token(error)
        } else if words.contains("project") || words.contains("config") {
            Self::NoProject(error)
        } else if said.contains("Unable to fetch secrets from the Doppler API") {
            Self::Network(error)
        } else {
            Self::Other(error)
        }
    }

    /// Whether it only means that nobody set Doppler up here.
    pub(in crate::lab::environment) fn is_not_set_up(&self) -> bool {
        matches!(
            self,
            Self::NotInstalled(_) | Self::NoLogin | Self::NoProject(_)
        )
    }

    /// The error for the user. `token_from` says where the token was found.
    pub(in crate::lab::environment) fn failure(&self, token_from: Option<&str>) -> Failure {
        let found = match self {
            Self::NotInstalled(program) => {
                Diagnostic::error(format!("Doppler is on, but `{program}` is not installed")).help(
                    "install it (https://docs.doppler.com/docs/install-cli), \
                     then run `doppler login` and `doppler setup` in the lab",
                )
            }
            Self::NoLogin => Diagnostic::error("Doppler is on, but not logged in").help(
                "run `doppler login` and then `doppler setup` in the lab, \
                 or set `DOPPLER_TOKEN` to a service token",
            ),
            Self::NoProject(said) => {
                Diagnostic::error(format!("Doppler knows no such project or config: {said}")).help(
                    "run `doppler setup` in the lab, \
                     or name `project` and `config` in `[doppler]` of `hl.toml`",
                )
            }
            Self::Token(said) => match token_from {
                Some(source) => Diagnostic::error(format!(
                    "Doppler refuses the token in `DOPPLER_TOKEN` ({source}): {said}"
                ))
                .help(
                    "set `DOPPLER_TOKEN` to a valid service token of this project and config, \
                     or unset it and run `doppler login` and `doppler setup`",
                ),
                None => Diagnostic::error(format!("Doppler refuses this login: {said}"))
                    .help("run `doppler login` again, then `doppler setup` in the lab"),
            },
            Self::Network(said) => Diagnostic::error(format!(
                "Doppler cannot be reached, and there is no fallback file: {said}"
            ))
            .note("`doppler` writes a fallback file each time it succeeds, and uses it offline")
            .help("try again when the network is back; `doppler setup` chooses project and config"),
            Self::TooLong(limit) => Diagnostic::error(format!(
                "Doppler gave no answer in {} seconds",
                limit.as_secs()
            ))
            .help("see what `doppler secrets` says in the lab, after `doppler setup`"),
            Self::Other(said) => Diagnostic::error(format!("Doppler gave no secrets: {said}"))
                .help("see what `doppler secrets` says in the lab, after `doppler setup`"),
        };
        Failure::new(
            Exit::Runway,
            found.help("or do without Doppler: `DOPPLER=0` in front of the command or in `.env`"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const UNABLE: &str = "Unable to fetch secrets from the Doppler API\n";

    fn all() -> Vec<Problem> {
        let said = "what it said".to_owned();
        vec![
            Problem::NotInstalled("doppler".to_owned()),
            Problem::NoLogin,
            Problem::NoProject(said.clone()),
            Problem::Token(said.clone()),
            Problem::Network(said.clone()),
            Problem::TooLong(Duration::from_secs(30)),
            Problem::Other(said),
        ]
    }

    #[test]
    fn every_error_names_the_set_up_and_the_way_around() {
        for problem in all() {
            for token_from in [None, Some("`.env`, line 3")] {
                let failure = problem.failure(token_from);
                assert_eq!(failure.diagnostics.len(), 1);
                let help = crate::diag::Advice::joined(failure.diagnostics[0].help.clone(), "\n")
                    .text(crate::diag::Commands::Live);
                assert!(help.contains("doppler setup"), "{problem:?}: {help}");
                assert!(help.contains("DOPPLER=0"), "{problem:?}: {help}");
            }
        }
    }

    #[rstest]
    #[case("you must provide a token", "", Problem::NoLogin)]
    #[case("Invalid Service token", "", Problem::Token("Invalid Service token".into()))]
    #[case("This token does not have access to requested project 'x'", "",
        Problem::Token("This token does not have access to requested project 'x'".into()))]
    #[case("You must specify a project", "", Problem::NoProject("You must specify a project".into()))]
    #[case("Could not find requested config 'x'", "",
        Problem::NoProject("Could not find requested config 'x'".into()))]
    #[case("Get \"https://api.doppler.com/v3/configs/config\": dial tcp: refused", "",
        Problem::Network("Get \"https://api.doppler.com/v3/configs/config\": dial tcp: refused".into()))]
    #[case("You must specify a project", UNABLE,
        Problem::NoProject("You must specify a project".into()))]
    #[case("invalid character '<'", UNABLE, Problem::Network("invalid character '<'".into()))]
    #[case("anything", "", Problem::Other("anything".into()))]
    fn the_words_of_the_program_are_understood(
        #[case] error: &str,
        #[case] said: &str,
        #[case] expected: Problem,
    ) {
        assert_eq!(Problem::of(said, Some(error.to_owned())), expected);
    }
}
