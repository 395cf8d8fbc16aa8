//! Which file of a site-config holds its secrets, and opening it.
//!
//! `secrets.yaml` is read where it exists, be it clear or encrypted; else
//! `secrets.yaml.enc`, which is what people commit, is opened in memory. Two
//! encrypted files are an error: nothing says which one is meant.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::envelope::Form;
use super::graft::graft;
use super::model::Secrets;
use super::problem::Problem;
use super::sops::Sops;
use crate::diag::{Diagnostic, Exit, Failure, Source};
use crate::site::yaml::Document;

/// Clear text, or encrypted in place.
pub(super) const PLAIN: &str = "secrets.yaml";
/// Encrypted, beside a clear `secrets.yaml` that nobody commits.
pub(super) const SEALED: &str = "secrets.yaml.enc";
/// No file of secrets is larger.
const LIMIT: u64 = 4 << 20;

/// The secrets of one site-config.
#[derive(Debug, Clone, Copy)]
pub struct Vault<'a> {
    /// The directory.
    dir: &'a Utf8Path,
    /// The directory as the user knows it.
    shown: &'a Utf8Path,
    /// The environment of `sops`: PATH, HOME, `SOPS_*`.
    env: &'a BTreeMap<String, String>,
}

/// One of the two files.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) name: &'static str,
    pub(super) path: Utf8PathBuf,
    /// The path as the user knows it.
    pub(super) shown: Utf8PathBuf,
    pub(super) mode: u32,
    pub(super) form: Form,
    pub(super) document: Document,
    /// Its bytes; not shown by anything.
    pub(super) text: Hidden,
}

/// A text that `{:?}` does not show.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hidden(pub(super) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// Opened secrets.
#[derive(Debug)]
pub struct Loaded {
    /// The values; [`Secrets::values`] is what a redactor must know.
    pub secrets: Secrets,
    /// What should be mended, and does not stop anybody.
    pub warnings: Vec<Diagnostic>,
}

impl<'a> Vault<'a> {
    /// The secrets in `dir`, which findings call `shown`; `env` is the whole
    /// environment that `sops` is given.
    pub fn new(dir: &'a Utf8Path, shown: &'a Utf8Path, env: &'a BTreeMap<String, String>) -> Self {
        Self { dir, shown, env }
    }

    /// Opens them. Nothing when there are none.
    ///
    /// # Errors
    /// The file cannot be read, is invalid, is damaged, or is one of two
    /// encrypted ones (65); this machine cannot open it (69).
    pub fn load(&self) -> Result<Option<Loaded>, Failure> {
        let Some((loaded, errors)) = self.load_partly()? else {
            return Ok(None);
        };
        if errors.is_empty() {
            return Ok(Some(loaded));
        }
        Err(Failure::many(Exit::Definition, errors))
    }

    /// The same, where errors in the file leave what can be read of it.
    ///
    /// # Errors
    /// As of [`Vault::load`], but those that are given beside the values.
    pub fn load_partly(&self) -> Result<Option<(Loaded, Vec<Diagnostic>)>, Failure> {
        let Some(found) = self.used()? else {
            return Ok(None);
        };
        let (secrets, errors) = match &found.form {
            Form::Plain => Secrets::partly(&found.document),
            Form::Encrypted(_) | Form::Damaged(_) => Secrets::partly(&self.opened(&found)?),
        };
        let warnings = found.open_to_others().into_iter().collect();
        Ok(Some((Loaded { secrets, warnings }, errors)))
    }

    /// The file that counts.
    pub(super) fn used(&self) -> Result<Option<Found>, Failure> {
        let plain = self.find(PLAIN)?;
        let Some(plain) = plain else {
            let sealed = self.find(SEALED)?;
            if let Some(found) = &sealed
                && found.form == Form::Plain
            {
                return Err(found.not_sealed());
            }
            return Ok(sealed);
        };
        if plain.form != Form::Plain && self.dir.join(SEALED).exists() {
            return Err(self.two());
        }
        Ok(Some(plain))
    }

    /// One of the files, read and looked at.
    pub(super) fn find(&self, name: &'static str) -> Result<Option<Found>, Failure> {
        let read = read(&self.dir.join(name)).map_err(|error| {
            let shown = self.shown.join(name);
            Failure::message(
                Exit::Definition,
                format!("cannot read `{shown}`: {}", error.kind()),
            )
        })?;
        read.map(|(text, mode)| Found::of(name, self.dir, self.shown, text, mode))
            .transpose()
    }

    /// The values of an encrypted file, in their places in it.
    pub(super) fn opened(&self, found: &Found) -> Result<Document, Failure> {
        // JSON: what is text and what is a number is beyond doubt in it.
        let text = self.decrypt(found, "json")?;
        let clear = Document::parse_secret(Source::new(found.shown.clone(), text.0))?;
        let source = Source::new(found.shown.clone(), found.text.0.as_str());
        let mut document = Document::parse_secret(source)?;
        graft(&mut document.root, &clear.root);
        Ok(document)
    }

    /// The clear text of an encrypted file, as `yaml` or `json`.
    pub(super) fn decrypt(&self, found: &Found, to: &str) -> Result<Hidden, Failure> {
        let envelope = match &found.form {
            Form::Encrypted(envelope) => envelope,
            Form::Plain => return Err(found.not_sealed()),
            Form::Damaged(at) => {
                let mut failure = Problem::NoSection.failure(&found.shown, None, self.env);
                for diagnostic in &mut failure.diagnostics {
                    let source = found.document.source();
                    diagnostic.place = Some(source.at(at.clone(), "encrypted"));
                }
                return Err(failure);
            }
        };
        Sops::find(self.env)
            .and_then(|sops| sops.decrypt(found.text.0.as_bytes(), to))
            .map(Hidden)
            .map_err(|problem| {
                let masked = &found.document.source().text;
                let text = envelope.excerpt(&found.text.0, masked);
                let source = Source::new(found.shown.clone(), text);
                problem.failure(&found.shown, Some((&source, envelope)), self.env)
            })
    }

    /// The environment of `sops`.
    pub(super) fn env(&self) -> &'a BTreeMap<String, String> {
        self.env
    }

    /// The directory.
    pub(super) fn dir(&self) -> &'a Utf8Path {
        self.dir
    }

    /// The directory as the user knows it.
    pub(super) fn shown(&self) -> &'a Utf8Path {
        self.shown
    }

    /// Two encrypted files.
    pub(super) fn two(&self) -> Failure {
        Failure::new(
            Exit::Definition,
            Diagnostic::error(format!(
                "`{}` and `{SEALED}` are both encrypted, and only one may be",
                self.shown.join(PLAIN)
            ))
            .help("keep one of them: `secrets.yaml` encrypted in place, or `secrets.yaml.enc`"),
        )
    }
}

impl Found {
    /// A file of this text.
    pub(super) fn of(
        name: &'static str,
        dir: &Utf8Path,
        shown: &Utf8Path,
        text: String,
        mode: u32,
    ) -> Result<Self, Failure> {
        let shown = shown.join(name);
        let document = Document::parse_secret(Source::new(shown.clone(), text.as_str()))?;
        Ok(Self {
            name,
            path: dir.join(name),
            shown,
            mode,
            form: Form::of(&document),
            document,
            text: Hidden(text),
        })
    }

    /// A clear file that others may read.
    pub(super) fn open_to_others(&self) -> Option<Diagnostic> {
        let mode = self.mode & 0o777;
        (self.form == Form::Plain && mode & 0o077 != 0).then(|| {
            Diagnostic::warning(format!(
                "others can read the secrets in `{}`: its mode is {mode:04o}",
                self.shown
            ))
            .help(format!("`chmod 600 {}`", self.shown))
        })
    }

    /// Public keys that can open it.
    pub(super) fn recipients(&self) -> &[String] {
        match &self.form {
            Form::Encrypted(envelope) => &envelope.age,
            Form::Plain | Form::Damaged(_) => &[],
        }
    }

    /// Whether it is encrypted for exactly these, when any are named.
    pub(super) fn is_for(&self, age: &[String]) -> bool {
        let known = self.recipients();
        age.is_empty()
            || (age.iter().all(|key| known.contains(key))
                && known.iter().all(|key| age.contains(key)))
    }

    /// What [`Envelope::clear_secrets`] finds in an encrypted file.
    pub(super) fn clear_values(&self) -> Vec<Diagnostic> {
        let Form::Encrypted(envelope) = &self.form else {
            return Vec::new();
        };
        envelope
            .clear_secrets()
            .map(|(path, at)| {
                Diagnostic::warning(format!(
                    "`{path}` is in clear text in the encrypted `{}`",
                    self.shown
                ))
                .at(self.document.source().at(at.clone(), ""))
                .help("let the rule in `.sops.yaml` encrypt it, and change what was readable")
            })
            .collect()
    }

    /// `secrets.yaml.enc` in clear text.
    pub(super) fn not_sealed(&self) -> Failure {
        Failure::new(
            Exit::Definition,
            Diagnostic::error(format!("`{}` is not encrypted", self.shown))
                .help(format!(
                    "`mv {} {}`, then `hl site secrets encrypt`",
                    self.shown,
                    self.shown.with_file_name(PLAIN)
                ))
                .help("if it was ever committed, change what is in it"),
        )
    }
}

/// A file's text and mode; nothing when it is not there.
fn read(path: &Utf8Path) -> io::Result<Option<(String, u32)>> {
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    if meta.len() > LIMIT {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut text = String::new();
    file.take(LIMIT).read_to_string(&mut text)?;
    Ok(Some((text, meta.permissions().mode())))
}
