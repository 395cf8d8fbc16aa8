//! Changing secrets in an editor. What the editor sees is in a private
//! directory in memory; what is written back is encrypted again, and only when
//! something changed.

use std::io;
use std::process::{Command, ExitStatus};
use std::thread::sleep;
use std::time::Duration;

use camino::Utf8Path;
use rustix::process::{Pid, kill_process};

use super::change::Changed;
use super::compare::{differing, leaves};
use super::envelope::Form;
use super::private::PrivateDir;
use super::problem::Problem;
use super::sops::Sops;
use super::vault::{Found, PLAIN, SEALED, Vault};
use crate::base::{Signal, StopSource, Watch};
use crate::diag::{Diagnostic, Exit, Failure, Source};
use crate::lab::write;
use crate::site::starter;
use crate::site::yaml::Document;

/// `sops edit` ends so when the editor changed nothing.
const UNCHANGED: i32 = 200;

/// How often the child and the signals are looked at.
const BEAT: Duration = Duration::from_millis(50);

impl Vault<'_> {
    /// Opens the secrets in `$SOPS_EDITOR`, `$VISUAL` or `$EDITOR`, else `vi`.
    /// Where there are none, a commented `secrets.yaml` to fill in is opened, and
    /// written when something was.
    ///
    /// # Errors
    /// They cannot be opened (65, 69), the editor fails (its
    /// code), a signal came (130, 143), or the file cannot be written (73).
    pub fn edit_file(&self) -> Result<Changed, Failure> {
        let found = match self.used()? {
            Some(found) => found,
            None => Found::of(PLAIN, self.dir(), self.shown(), starter::secrets(), 0o600)?,
        };
        let new = !found.path.exists();
        // Who cannot open it is told so before an editor starts.
        let before = match &found.form {
            Form::Plain => leaves(&found.document.root),
            Form::Encrypted(_) | Form::Damaged(_) => self.values(&found, &found.text.0)?,
        };
        let private = PrivateDir::make(self.env().get("XDG_RUNTIME_DIR").map(String::as_str))
            .map_err(|error| private_failed(&error))?;
        let edited = self.edited(&found, &private);
        // Whatever happened: nothing stays behind.
        private.remove().map_err(|error| private_failed(&error))?;
        let Some(text) = edited? else {
            return Ok(found.unchanged());
        };
        let names = match &found.form {
            Form::Plain => {
                let after = Document::parse_secret(Source::new(found.shown.clone(), text.as_str()));
                // Clear text may be saved half done; `check` says what is wrong.
                after.map_or_else(
                    |_| Vec::new(),
                    |after| differing(&before, &leaves(&after.root)),
                )
            }
            Form::Encrypted(_) | Form::Damaged(_) => {
                differing(&before, &self.values(&found, &text)?)
            }
        };
        let mode = match found.form {
            Form::Plain => 0o600,
            Form::Encrypted(_) | Form::Damaged(_) => found.mode & 0o777,
        };
        write(&found.path, text.as_bytes(), mode)?;
        if new {
            starter::write_schema(self.dir(), "secrets")?;
        }
        let mut changed = found.unchanged();
        changed.written = true;
        changed.names = names;
        changed.warnings.extend(self.not_ignored());
        let sealed = self.shown().join(SEALED);
        if found.form == Form::Plain && self.dir().join(SEALED).exists() {
            changed.warnings.push(
                Diagnostic::warning(format!("`{sealed}` still holds what was before"))
                    .help("`hl site secrets encrypt`"),
            );
        }
        if let Err(failure) = self.load() {
            changed.warnings.extend(failure.diagnostics);
        }
        Ok(changed)
    }

    /// The text after the editor; nothing when it is what it was.
    fn edited(&self, found: &Found, private: &PrivateDir) -> Result<Option<String>, Failure> {
        let dir = private.path().map_err(|error| private_failed(&error))?;
        let file = dir.join(PLAIN);
        write(&file, found.text.0.as_bytes(), 0o600)?;
        let mut command = match &found.form {
            Form::Plain => {
                let editor = self.editor().unwrap_or("vi");
                let mut command = Command::new("/bin/sh");
                // As git does: the variable may hold arguments.
                command.args(["-c", &format!("{editor} \"$@\""), editor, file.as_str()]);
                command
            }
            Form::Encrypted(_) | Form::Damaged(_) => {
                let sops = Sops::find(self.env())
                    .map_err(|problem| problem.failure(&found.shown, None, self.env()))?;
                let mut command = Command::new(sops.program);
                command.args(["edit", "--input-type", "yaml", "--output-type", "yaml"]);
                command.arg(file.as_str());
                command
            }
        };
        let env = self.env().iter();
        command
            .env_clear()
            .envs(env.filter(|(name, value)| !(name.starts_with("SOPS_") && value.is_empty())));
        if let Some(editor) = self.editor() {
            command.env("SOPS_EDITOR", editor);
        }
        // The clear text that sops gives to the editor lies in there, too.
        command
            .env("TMPDIR", dir)
            .env("SOPS_DISABLE_VERSION_CHECK", "true");
        let status = attended(&mut command)?;
        let sealed = found.form != Form::Plain;
        match status.code() {
            Some(0) => {}
            Some(UNCHANGED) if sealed => return Ok(None),
            code => return Err(failed(sealed, code)),
        }
        let text = std::fs::read_to_string(&file).map_err(|error| {
            Failure::message(
                Exit::Definition,
                format!("what the editor saved cannot be read: {}", error.kind()),
            )
        })?;
        Ok((text != found.text.0).then_some(text))
    }

    /// The values of an encrypted text.
    fn values(&self, found: &Found, text: &str) -> Result<super::compare::Leaves, Failure> {
        let fail = |problem: Problem| problem.failure(&found.shown, None, self.env());
        let clear = if text == found.text.0 {
            self.decrypt(found, "json")?.0
        } else {
            Sops::find(self.env())
                .and_then(|sops| sops.decrypt(text.as_bytes(), "json"))
                .map_err(fail)?
        };
        let document = Document::parse_secret(Source::new(found.shown.clone(), clear))?;
        Ok(leaves(&document.root))
    }

    fn editor(&self) -> Option<&str> {
        ["SOPS_EDITOR", "VISUAL", "EDITOR"]
            .into_iter()
            .filter_map(|name| self.env().get(name))
            .map(|value| value.trim())
            .find(|value| !value.is_empty())
    }
}

/// Runs a child that has the terminal. Ctrl-C is its own business; when `hl`
/// is to end, the child is ended first, so that its files can be removed.
fn attended(command: &mut Command) -> Result<ExitStatus, Failure> {
    let cannot = |error: io::Error| {
        Failure::message(
            Exit::Runway,
            format!("the editor cannot be started: {}", error.kind()),
        )
        .help("name one that is installed, e.g. `EDITOR=nano`")
    };
    let mut watch = Watch::start().map_err(cannot)?;
    let mut child = command.spawn().map_err(cannot)?;
    let mut stop = None;
    loop {
        if let Some(status) = child.try_wait().map_err(cannot)? {
            return match stop {
                Some(exit) if !status.success() => Err(Failure::silent(exit)),
                _ => Ok(status),
            };
        }
        match watch.arrived() {
            // The terminal gave them to the child as well.
            Some(signal @ (Signal::Interrupt | Signal::Quit)) => stop = Some(signal.into()),
            Some(signal) => {
                stop = Some(signal.into());
                let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
                if let Some(pid) = pid {
                    // One that is gone already needs no signal.
                    kill_process(pid, rustix::process::Signal::TERM).unwrap_or_default();
                }
            }
            None => sleep(BEAT),
        }
    }
}

fn failed(sealed: bool, code: Option<i32>) -> Failure {
    let who = if sealed { "`sops edit`" } else { "the editor" };
    let (exit, how) = match code.and_then(|code| u8::try_from(code).ok()) {
        Some(code) => (Exit::Child(code), format!("ended with {code}")),
        None => (Exit::Terminated, "was killed".to_owned()),
    };
    Failure::message(exit, format!("{who} {how}; nothing was changed"))
}

fn private_failed(error: &io::Error) -> Failure {
    let place = Utf8Path::new("/dev/shm");
    Failure::message(
        Exit::CannotWrite,
        format!(
            "the private directory for the editor, in `{place}`, failed: {}",
            error.kind()
        ),
    )
}
