//! Between `secrets.yaml`, which one works with, and `secrets.yaml.enc`, which
//! one commits.

use camino::Utf8PathBuf;
use serde::Serialize;

use super::compare::{differing, leaves, same_comments};
use super::envelope::Form;
use super::git::{Git, Tracking};
use super::problem::Problem;
use super::sops::Sops;
use super::vault::{Found, PLAIN, SEALED, Vault};
use crate::base::ticked;
use crate::diag::{Diagnostic, Exit, Failure, Source};
use crate::lab::write;
use crate::site::yaml::Document;

/// How a file is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct How {
    /// Replace what would be lost.
    pub force: bool,
    /// Find out everything, and write nothing.
    pub dry: bool,
}

/// What was done.
#[derive(Debug, Serialize)]
pub struct Changed {
    /// The file that was asked for, as the user knows it.
    pub file: Utf8PathBuf,
    /// Whether it was written, or would be in a dry run; not when it held the
    /// same already.
    pub written: bool,
    /// Names of the values that are other than before; all of a new file.
    pub names: Vec<String>,
    /// Public keys that can open it; nothing for a clear one.
    pub recipients: Vec<String>,
    /// What the user should know.
    #[serde(skip)]
    pub warnings: Vec<Diagnostic>,
}

impl Vault<'_> {
    /// Writes `secrets.yaml`, 0600, from `secrets.yaml.enc`. One that is there
    /// and holds other values is only replaced with [`How::force`].
    ///
    /// # Errors
    /// There is nothing to decrypt, or it cannot be opened (65, 69);
    /// `secrets.yaml` would be overwritten, or cannot be written (73).
    pub fn decrypt_file(&self, how: How) -> Result<Changed, Failure> {
        let plain = self.find(PLAIN)?;
        let sealed = match (self.find(SEALED)?, &plain) {
            (Some(_), Some(plain)) if plain.form != Form::Plain => return Err(self.two()),
            (Some(sealed), _) => sealed,
            (None, plain) => return Err(self.nothing_sealed(plain.as_ref())),
        };
        let text = self.decrypt(&sealed, "yaml")?;
        let path = self.dir().join(PLAIN);
        let shown = self.shown().join(PLAIN);
        let now = Document::parse_secret(Source::new(shown.clone(), text.0.as_str()))?;
        let now = leaves(&now.root);
        let mut names: Vec<String> = now.keys().cloned().collect();
        let mut written = true;
        if let Some(plain) = &plain {
            names = differing(&leaves(&plain.document.root), &now);
            if names.is_empty() && same_comments(&plain.text.0, &text.0) {
                written = plain.open_to_others().is_some();
            } else if !how.force {
                return Err(would_lose(plain, &names));
            }
        }
        if written && !how.dry {
            write(&path, text.0.as_bytes(), 0o600)?;
        }
        Ok(Changed {
            warnings: self.not_ignored().into_iter().collect(),
            file: shown,
            written,
            names,
            recipients: Vec::new(),
        })
    }

    /// Writes `secrets.yaml.enc` from `secrets.yaml`, for the public keys in
    /// `age`; without any, for those that `.sops.yaml` names, or that the file
    /// was encrypted for before. When it holds the same already, it is left
    /// alone: encrypting again would only change every line. One that cannot
    /// be opened here is only replaced with [`How::force`].
    ///
    /// # Errors
    /// There is nothing to encrypt, or nobody to encrypt it for (65); SOPS is
    /// missing (69); the file cannot be written (73).
    pub fn encrypt_file(&self, age: &[String], how: How) -> Result<Changed, Failure> {
        let plain = self.find(PLAIN)?.ok_or_else(|| self.nothing_clear())?;
        if plain.form != Form::Plain {
            return Err(Problem::Already.failure(&plain.shown, None, self.env()));
        }
        let faults: Vec<_> = plain.document.faults().collect();
        if !faults.is_empty() {
            return Err(Failure::many(Exit::Definition, faults));
        }
        let shown = self.shown().join(SEALED);
        let wanted = leaves(&plain.document.root);
        let mut names: Vec<String> = wanted.keys().cloned().collect();
        let before = self.find(SEALED)?;
        if let Some(before) = &before {
            match self.unsealed(before) {
                Ok((held, comments)) => {
                    names = differing(&held, &wanted);
                    if names.is_empty()
                        && same_comments(&comments, &plain.text.0)
                        && before.is_for(age)
                    {
                        return Ok(before.unchanged());
                    }
                }
                Err(failure) if !how.force => {
                    return Err(failure.help(format!(
                        "`hl site secrets encrypt --force` replaces `{shown}` unread"
                    )));
                }
                Err(_) => {}
            }
        }
        let text = self.seal(&plain, before.as_ref(), age)?;
        if !how.dry {
            write(&self.dir().join(SEALED), text.as_bytes(), 0o644)?;
        }
        let after = Found::of(SEALED, self.dir(), self.shown(), text, 0o644)?;
        Ok(Changed {
            file: shown,
            written: true,
            names,
            recipients: after.recipients().to_vec(),
            warnings: self.doubts(&after),
        })
    }

    /// Encrypts for `age`, else by `.sops.yaml`, else for whom it was before.
    fn seal(
        &self,
        plain: &Found,
        before: Option<&Found>,
        age: &[String],
    ) -> Result<String, Failure> {
        let env = self.env();
        let failed = |problem: Problem| problem.failure(&plain.shown, None, env);
        let sops = Sops::find(env).map_err(failed)?;
        let text = plain.text.0.as_bytes();
        match sops.encrypt(text, &plain.path, age) {
            Err(Problem::NoRecipient) => {
                let known = before.map(Found::recipients).unwrap_or_default();
                if known.is_empty() {
                    return Err(failed(Problem::NoRecipient));
                }
                sops.encrypt(text, &plain.path, known)
            }
            other => other,
        }
        .map_err(failed)
    }

    /// Values and text of the encrypted file as it is now.
    fn unsealed(&self, sealed: &Found) -> Result<(super::compare::Leaves, String), Failure> {
        let text = self.decrypt(sealed, "yaml")?;
        let document = Document::parse_secret(Source::new(sealed.shown.clone(), text.0.as_str()))?;
        Ok((leaves(&document.root), text.0))
    }

    /// What is odd about a file that was just encrypted.
    fn doubts(&self, after: &Found) -> Vec<Diagnostic> {
        let mut doubts = after.clear_values();
        if self.decrypt(after, "json").is_err() {
            doubts.push(
                Diagnostic::warning(format!("no key here opens `{}` again", after.shown))
                    .help("keep `secrets.yaml`, or encrypt it for your own key, too"),
            );
        }
        doubts
    }

    /// A clear file that git would take along.
    pub(super) fn not_ignored(&self) -> Option<Diagnostic> {
        if self.find(PLAIN).ok()??.form != Form::Plain {
            return None;
        }
        let tracking = Git::find(self.dir(), self.env())?.tracking(PLAIN);
        let shown = self.shown().join(PLAIN);
        let what = match tracking {
            Tracking::Ignored | Tracking::NoRepository => return None,
            Tracking::Tracked => "is tracked by git",
            Tracking::Untracked => "is not ignored by git",
        };
        Some(
            Diagnostic::warning(format!("`{shown}` is in clear text and {what}"))
                .help("`hl site secrets check` says what to do"),
        )
    }

    fn nothing_clear(&self) -> Failure {
        Failure::message(
            Exit::Definition,
            format!("there is no `{}` to encrypt", self.shown().join(PLAIN)),
        )
        .help("`hl site init` writes one to fill in; `hl site secrets decrypt` makes it from `secrets.yaml.enc`")
    }

    fn nothing_sealed(&self, plain: Option<&Found>) -> Failure {
        let sealed = self.shown().join(SEALED);
        let failure = Failure::message(
            Exit::Definition,
            format!("there is no `{sealed}` to decrypt"),
        );
        match plain.map(|plain| &plain.form) {
            None => failure.help("`hl site init` writes a `secrets.yaml` to fill in"),
            Some(Form::Plain) => failure.help(format!(
                "`{}` is in clear text already; `hl site secrets encrypt` makes the other one",
                self.shown().join(PLAIN)
            )),
            Some(Form::Encrypted(_) | Form::Damaged(_)) => failure.help(format!(
                "`{}` is encrypted in place: it is opened in memory whenever it is needed, and `hl site secrets edit` changes it",
                self.shown().join(PLAIN)
            )),
        }
    }
}

impl Found {
    /// Nothing was done with it.
    pub(super) fn unchanged(&self) -> Changed {
        Changed {
            file: self.shown.clone(),
            written: false,
            names: Vec::new(),
            recipients: self.recipients().to_vec(),
            warnings: Vec::new(),
        }
    }
}

fn would_lose(plain: &Found, names: &[String]) -> Failure {
    let what = if names.is_empty() {
        "other comments".to_owned()
    } else {
        format!("another {}", ticked(names))
    };
    Failure::message(
        Exit::CannotWrite,
        format!("`{}` is there and has {what}", plain.shown),
    )
    .help("`hl site secrets encrypt` keeps what it has; `hl site secrets decrypt --force` replaces it")
}
