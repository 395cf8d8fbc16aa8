//! `hl site secrets check`: which files there are, who can read and open them,
//! and which names are in them.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use serde::Serialize;

use super::compare::{differing, leaves};
use super::envelope::Form;
use super::git::{Git, Tracking};
use super::keys;
use super::model::Secrets;
use super::vault::{Found, PLAIN, SEALED, Vault};
use crate::base::ticked;
use crate::diag::{Diagnostic, Exit, Failure, Source, merge};
use crate::lab::Redactor;
use crate::site::yaml::Document;

/// What is known of a site's secrets, without a value.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The files that are there.
    pub files: Vec<FileReport>,
    /// The one that is read, as the user knows it.
    pub used: Option<Utf8PathBuf>,
    /// Where private keys were found: variables and files.
    pub keys: Vec<String>,
    /// Names of the values, as `section.name`, sorted; nothing
    /// when the file cannot be opened.
    pub names: Vec<String>,
    /// Errors and warnings.
    #[serde(skip)]
    pub findings: Vec<Diagnostic>,
    /// How `check` ends.
    #[serde(skip)]
    pub exit: Exit,
}

/// One file.
#[derive(Debug, Serialize)]
pub struct FileReport {
    /// As the user knows it.
    pub file: Utf8PathBuf,
    /// `plain`, `encrypted`, or `damaged`.
    pub form: &'static str,
    /// Permission bits, octal.
    pub mode: String,
    /// Public keys that open it.
    pub recipients: Vec<String>,
    /// Other key services that open it: `pgp`, `kms`, ...
    pub services: Vec<String>,
    /// The SOPS that wrote it.
    pub sops: Option<String>,
    /// Whether a key here opens it; nothing for a clear one.
    pub opens: Option<bool>,
    /// What git does with it.
    pub git: Tracking,
}

impl Vault<'_> {
    /// Looks at everything; what cannot be read or opened is a finding.
    pub fn check(&self) -> Report {
        let mut report = Report {
            files: Vec::new(),
            used: None,
            keys: keys::places(self.env()),
            names: Vec::new(),
            findings: Vec::new(),
            exit: Exit::Ok,
        };
        let git = Git::find(self.dir(), self.env());
        let mut plain = self.looked_at(PLAIN, git.as_ref(), &mut report);
        let mut sealed = self.looked_at(SEALED, git.as_ref(), &mut report);
        if let (Some(plain), Some(sealed)) = (&mut plain, &mut sealed) {
            if plain.0.form == Form::Plain {
                report.compare(&plain.0, sealed);
            } else {
                report.fail(self.two());
                return report;
            }
        }
        let Some((found, clear)) = plain.or(sealed) else {
            if report.exit == Exit::Ok {
                let dir = self.shown();
                report.findings.push(
                    Diagnostic::warning(format!("`{dir}` has no `{PLAIN}` and no `{SEALED}`"))
                        .help("`hl site init` writes one to fill in"),
                );
            }
            return report;
        };
        if found.name == SEALED && found.form == Form::Plain {
            report.fail(found.not_sealed());
        }
        report.used = Some(found.shown.clone());
        if let Some(document) = clear {
            if let Err(failure) = Secrets::of(&document) {
                report.fail(failure);
            }
            let leaves = leaves(&document.root);
            report.findings.extend(leaves.iter().filter_map(too_short));
            report.names = leaves.into_keys().collect();
        }
        report
    }

    /// One file, and its clear text where it has one that can be had.
    fn looked_at(
        &self,
        name: &'static str,
        git: Option<&Git<'_>>,
        report: &mut Report,
    ) -> Option<(Found, Option<Document>)> {
        let found = match self.find(name) {
            Ok(found) => found?,
            Err(failure) => {
                report.fail(failure);
                return None;
            }
        };
        report.findings.extend(found.open_to_others());
        report.findings.extend(found.clear_values());
        let tracking = git.map_or(Tracking::NoRepository, |git| git.tracking(name));
        match (&found.form, tracking) {
            (Form::Plain, Tracking::Tracked) => report.fail(committed(&found, "is tracked by git")),
            (Form::Plain, Tracking::Untracked) => report.findings.push(
                Diagnostic::warning(format!("git does not ignore `{}`", found.shown)).help(
                    format!("add `/{name}` to `{}`", self.shown().join(".gitignore")),
                ),
            ),
            _ => {}
        }
        if let (Some(git), Form::Encrypted(_)) = (git, &found.form)
            && let Some(place) = clear_in_git(git, name)
        {
            report.fail(committed(
                &found,
                &format!("is in clear text in git's {place}"),
            ));
        }
        let mut file = FileReport {
            file: found.shown.clone(),
            form: match found.form {
                Form::Plain => "plain",
                Form::Encrypted(_) => "encrypted",
                Form::Damaged(_) => "damaged",
            },
            mode: format!("{:04o}", found.mode & 0o777),
            recipients: found.recipients().to_vec(),
            services: Vec::new(),
            sops: None,
            opens: None,
            git: tracking,
        };
        if let Form::Encrypted(envelope) = &found.form {
            file.services.clone_from(&envelope.others);
            file.sops.clone_from(&envelope.version);
        }
        let clear = match &found.form {
            Form::Plain => {
                Document::parse_secret(Source::new(found.shown.clone(), found.text.0.as_str())).ok()
            }
            Form::Encrypted(_) | Form::Damaged(_) => match self.opened(&found) {
                Ok(document) => {
                    file.opens = Some(true);
                    Some(document)
                }
                Err(failure) => {
                    file.opens = Some(false);
                    report.fail(failure);
                    None
                }
            },
        };
        report.files.push(file);
        Some((found, clear))
    }
}

impl Report {
    /// The clear file beside the encrypted one: do they hold the same?
    fn compare(&mut self, plain: &Found, sealed: &(Found, Option<Document>)) {
        let (found, Some(clear)) = sealed else {
            return;
        };
        if found.form == Form::Plain {
            self.fail(found.not_sealed());
            return;
        }
        let names = differing(&leaves(&plain.document.root), &leaves(&clear.root));
        if !names.is_empty() {
            self.findings.push(
                Diagnostic::warning(format!(
                    "`{}` and `{}` differ in {}",
                    plain.shown,
                    found.shown,
                    ticked(names)
                ))
                .help("`hl site secrets encrypt` keeps the first, `hl site secrets decrypt --force` the second"),
            );
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.exit = merge([self.exit, failure.exit]);
        let known: BTreeSet<String> = self.findings.iter().map(|d| d.message.clone()).collect();
        let new = failure.diagnostics.into_iter();
        self.findings
            .extend(new.filter(|d| !known.contains(&d.message)));
    }
}

/// A value that output cannot be searched for.
fn too_short((name, value): (&String, &String)) -> Option<Diagnostic> {
    let text = value.strip_prefix('\'').unwrap_or(value);
    (!text.is_empty() && Redactor::is_too_short(text)).then(|| {
        Diagnostic::warning(format!("`{name}` is too short to be masked in output"))
            .help("make it longer than three characters")
    })
}

/// Where git has a clear version of a file that is encrypted now.
fn clear_in_git(git: &Git<'_>, name: &str) -> Option<&'static str> {
    git.versions(name).into_iter().find_map(|(place, text)| {
        let document = Document::parse_secret(Source::new(name, text)).ok()?;
        let clear = Form::of(&document) == Form::Plain && !leaves(&document.root).is_empty();
        clear.then_some(place)
    })
}

fn committed(found: &Found, how: &str) -> Failure {
    let name = found.name;
    let failure = Failure::message(
        Exit::Definition,
        if found.form == Form::Plain {
            format!("`{}` is in clear text and {how}", found.shown)
        } else {
            format!("`{}` {how}", found.shown)
        },
    );
    let failure = if found.form == Form::Plain {
        failure.help(format!(
            "`git rm --cached {name}` there, and add `/{name}` to `.gitignore`"
        ))
    } else {
        failure.help(format!("`git add {name}` there, and commit it"))
    };
    failure.help("what was ever pushed must be changed: git keeps every version")
}
