//! Why SOPS could not do it, each with what to do. What it said is not
//! repeated: its messages may quote a value.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use camino::Utf8Path;

use super::envelope::Envelope;
use super::keys;
use crate::diag::{Diagnostic, Exit, Failure, Source};

/// The oldest version with the subcommands that are used here. An older one
/// would take `decrypt` for a file and open an editor.
pub(super) const OLDEST: (u32, u32) = (3, 9);

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Problem {
    /// There is no `sops` on the PATH.
    NotInstalled,
    /// What is called `sops` is something else.
    NotSops,
    /// A version without the subcommands.
    TooOld(String),
    /// It was found, and the system would not start it.
    CannotStart(io::ErrorKind),
    /// It did not end.
    TooLong(Duration),
    /// There is no private key anywhere it looks.
    NoKey,
    /// A key that was named cannot be read or is no key; its place.
    BadKey(String),
    /// There are keys, and none opens the file.
    WrongKey,
    /// A key service other than age refused.
    Service,
    /// The file's authentication code does not match its values.
    BrokenMac,
    /// A value cannot be decrypted, or is not encrypted.
    Damaged,
    /// The `sops` section is missing or is none.
    NoSection,
    /// The file to encrypt has a section `sops` already.
    Already,
    /// Nobody says for whom to encrypt.
    NoRecipient,
    /// A recipient is no age public key.
    BadRecipient,
    /// `.sops.yaml` is not YAML, or not what SOPS knows.
    BadConfig,
    /// The text to encrypt is not one YAML mapping.
    NotYaml,
    /// Its output is not text.
    Strange,
    /// Any other exit code.
    Other(Option<i32>),
}

impl Problem {
    /// Reads an exit code of SOPS 3 (`cmd/sops/codes`): 2 the input cannot be
    /// read, 25 a value, 51 the MAC differs or is missing, 52 no MAC, 61 no
    /// configuration, 128 no key opened it, 203 encrypted already, 1 the rest.
    pub(super) fn of(code: Option<i32>, said: &str, env: &BTreeMap<String, String>) -> Self {
        // Its lines are broken at a width.
        let said = said.replace("| ", "");
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let has = |words: &str| said.contains(words);
        match code {
            Some(2) => Self::NotYaml,
            Some(25) => Self::Damaged,
            Some(51 | 52) => Self::BrokenMac,
            Some(203) => Self::Already,
            Some(61) => Self::NoRecipient,
            Some(1) if has("metadata not found") => Self::NoSection,
            Some(1) if has("Could not unmarshal config") => Self::BadConfig,
            Some(1)
                if has("no creation rules")
                    || has("no matching creation rules")
                    || has("empty key group") =>
            {
                Self::NoRecipient
            }
            Some(1) if has("recipient") => Self::BadRecipient,
            Some(128) if has("age") => {
                if has("did not match any of the recipients") {
                    Self::WrongKey
                } else if has("Errors while loading age identities")
                    || has("failed to parse")
                    || has("failed to open")
                {
                    keys::named(env).map_or(Self::NoKey, Self::BadKey)
                } else {
                    Self::NoKey
                }
            }
            Some(128) => Self::Service,
            other => Self::Other(other),
        }
    }

    /// The failure for people: `path` is what was to be read or written.
    pub(super) fn failure(
        &self,
        path: &Utf8Path,
        sealed: Option<(&Source, &Envelope)>,
        env: &BTreeMap<String, String>,
    ) -> Failure {
        let mut found = Diagnostic::error(self.message(path));
        if let Some((source, envelope)) = sealed
            && let Some((span, label)) = self.place(envelope)
        {
            found = found.at(source.at(span, label));
        }
        for help in self.help(path, env) {
            found = found.help(help);
        }
        Failure::new(self.exit(), found)
    }

    /// 65 for what is wrong with a file, 69 for what this machine lacks.
    fn exit(&self) -> Exit {
        let of_the_file = matches!(
            self,
            Self::BrokenMac
                | Self::Damaged
                | Self::NoSection
                | Self::Already
                | Self::NoRecipient
                | Self::BadRecipient
                | Self::BadConfig
                | Self::NotYaml
        );
        if of_the_file {
            Exit::Definition
        } else {
            Exit::Runway
        }
    }

    fn message(&self, path: &Utf8Path) -> String {
        match self {
            Self::NotInstalled => format!("`{path}` needs `sops`, which is not on PATH"),
            Self::NotSops => "what `sops` on PATH prints is not a version of SOPS".to_owned(),
            Self::TooOld(version) => format!(
                "`sops` {version} is too old for `{path}`: {}.{} or later is needed",
                OLDEST.0, OLDEST.1
            ),
            Self::CannotStart(kind) => format!("`sops` cannot be started: {kind}"),
            Self::TooLong(limit) => format!(
                "`sops` was still not done with `{path}` after {} s",
                limit.as_secs()
            ),
            Self::NoKey => format!("there is no age key here that could open `{path}`"),
            Self::BadKey(place) => format!("{place} cannot be read as an age key"),
            Self::WrongKey => {
                format!("none of the age keys here opens `{path}`: it is encrypted for others")
            }
            Self::Service => format!("no key service opens `{path}`"),
            Self::BrokenMac => format!(
                "`{path}` was changed after it was encrypted: its authentication code does not match"
            ),
            Self::Damaged => {
                format!("`{path}` holds a value that is damaged or is not encrypted")
            }
            Self::NoSection => format!("`{path}` has no `sops` section that could open its values"),
            Self::Already => format!("`{path}` is encrypted already"),
            Self::NoRecipient => format!("no recipient is given to encrypt `{path}` for"),
            Self::BadConfig => format!(
                "`{}` cannot be read by `sops`",
                path.with_file_name(".sops.yaml")
            ),
            Self::BadRecipient => "a recipient is not an age public key".to_owned(),
            Self::NotYaml => format!("`{path}` is not a YAML mapping that SOPS can encrypt"),
            Self::Strange => format!("`sops` gave something for `{path}` that is not text"),
            Self::Other(Some(code)) => format!("`sops` failed with `{path}`, exit code {code}"),
            Self::Other(None) => format!("`sops` was killed while it had `{path}`"),
        }
    }

    fn help(&self, path: &Utf8Path, env: &BTreeMap<String, String>) -> Vec<String> {
        let sops = "install it: https://github.com/getsops/sops/releases".to_owned();
        let config = path.with_file_name(".sops.yaml");
        match self {
            Self::NotInstalled | Self::NotSops | Self::TooOld(_) => vec![sops],
            Self::NoKey => vec![format!(
                "put the private key (`AGE-SECRET-KEY-1...`) into `{}`, mode 0600, or name its file in `SOPS_AGE_KEY_FILE`",
                keys::default_file(env)
            )],
            Self::BadKey(_) => vec![
                "expected lines that begin with `AGE-SECRET-KEY-1`, as `age-keygen` writes them"
                    .to_owned(),
            ],
            Self::WrongKey => vec![
                "name the file of the right key in `SOPS_AGE_KEY_FILE`".to_owned(),
                format!(
                    "or let somebody who has it add yours (`age-keygen -y KEYFILE` prints it) to `{config}` and run `sops updatekeys --input-type yaml {path}`"
                ),
            ],
            Self::Service => vec![format!(
                "`sops decrypt --input-type yaml {path} >/dev/null` says what each service answers"
            )],
            Self::BrokenMac | Self::Damaged | Self::NoSection => vec![format!(
                "take the last good one, e.g. `git checkout -- {path}`; change values with `hl site secrets edit` only"
            )],
            Self::Already => {
                vec![
                    "`hl site secrets edit` changes it, `hl site secrets decrypt` opens it"
                        .to_owned(),
                ]
            }
            Self::NoRecipient => vec![
                "name one: `hl site secrets encrypt --age age1...`".to_owned(),
                format!("or write a rule for `secrets.yaml` into `{config}`"),
            ],
            Self::BadRecipient => vec![
                "expected `age1...`; `age-keygen -y KEYFILE` prints the public key of a private one"
                    .to_owned(),
            ],
            Self::BadConfig => vec![
                "expected `creation_rules:` with `- path_regex: secrets\\.yaml` and `age: age1...`"
                    .to_owned(),
            ],
            Self::NotYaml => vec!["`hl site secrets check` says what is wrong with it".to_owned()],
            Self::CannotStart(_) | Self::TooLong(_) | Self::Strange | Self::Other(_) => {
                vec![format!(
                    "`sops decrypt --input-type yaml {path} >/dev/null` shows what it says itself"
                )]
            }
        }
    }

    /// Where in the encrypted file, and what is said there.
    fn place(&self, envelope: &Envelope) -> Option<(std::ops::Range<usize>, &'static str)> {
        match self {
            Self::NoKey | Self::WrongKey => {
                let first = envelope.first.clone();
                Some((
                    first.unwrap_or_else(|| envelope.section.clone()),
                    "encrypted for this key",
                ))
            }
            Self::BrokenMac => Some(envelope.mac.clone().map_or_else(
                || (envelope.section.clone(), "it has no `mac`"),
                |mac| (mac, "does not match the values"),
            )),
            Self::Damaged => match envelope.clear.first() {
                Some((_, at)) if !envelope.by_pattern => Some((at.clone(), "not encrypted")),
                _ => Some((envelope.section.clone(), "")),
            },
            Self::Service | Self::NoSection | Self::Already => Some((envelope.section.clone(), "")),
            Self::NotInstalled
            | Self::NotSops
            | Self::TooOld(_)
            | Self::CannotStart(_)
            | Self::TooLong(_)
            | Self::BadKey(_)
            | Self::NoRecipient
            | Self::BadRecipient
            | Self::BadConfig
            | Self::NotYaml
            | Self::Strange
            | Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: i32, said: &str) -> Problem {
        Problem::of(Some(code), said, &BTreeMap::new())
    }

    #[test]
    fn no_key_a_wrong_one_and_a_bad_one_are_three_things() {
        let head = "Group 0: FAILED\n  age1x: FAILED\n    - | failed to ";
        assert_eq!(
            of(
                128,
                &format!("{head}load age identities. Did not find keys in\n      | locations")
            ),
            Problem::NoKey
        );
        assert_eq!(
            of(
                128,
                &format!(
                    "{head}create reader for decrypting sops data key with\n      | age: identity did not match any of the\n      | recipients: incorrect"
                )
            ),
            Problem::WrongKey
        );
        let bad = format!(
            "{head}load age identities. Errors while loading age\n      | identities: failed to open SOPS_AGE_KEY_FILE file"
        );
        let env = BTreeMap::from([("SOPS_AGE_KEY_FILE".to_owned(), "/nope".to_owned())]);
        assert!(matches!(
            Problem::of(Some(128), &bad, &env),
            Problem::BadKey(_)
        ));
        assert_eq!(of(128, &bad), Problem::NoKey);
        assert_eq!(
            of(128, "Group 0: FAILED\n  1234ABCD: FAILED"),
            Problem::Service
        );
    }

    #[test]
    fn every_problem_names_a_remedy_and_repeats_nothing_that_sops_said() {
        let all = [
            of(
                25,
                "Could not decrypt value: Input string canary does not match",
            ),
            of(51, "canary"),
            of(2, "canary"),
            of(1, "sops metadata not found canary"),
            of(1, "malformed recipient canary"),
            of(1, "has no creation rules canary"),
            of(203, "canary"),
            of(7, "canary"),
            Problem::NotInstalled,
            Problem::TooOld("3.1.0".to_owned()),
        ];
        for problem in all {
            let failure =
                problem.failure(Utf8Path::new("site/secrets.yaml"), None, &BTreeMap::new());
            let text = crate::diag::render(&failure, false, crate::diag::Commands::Live);
            assert!(!text.contains("canary"), "{text}");
            assert!(!failure.diagnostics[0].help.is_empty(), "{text}");
            assert!(matches!(failure.exit, Exit::Definition | Exit::Runway));
        }
    }
}
