//! Calls of the `sops` program. Texts go in and out through pipes: nothing is
//! on a disk, and nothing secret is in its arguments.
//!
//! Format (SOPS 3.9 and later): `sops decrypt|encrypt [FLAGS] FILE` writes to
//! standard output; exit codes in [`Problem::of`].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;
use std::time::Duration;

use camino::Utf8Path;

use super::problem::{OLDEST, Problem};
use crate::base::output;

/// age answers at once; a key service behind a network may take its time.
const LIMIT: Duration = Duration::from_mins(1);

/// The program, found and of a version that serves.
#[derive(Debug)]
pub(super) struct Sops<'a> {
    pub(super) program: PathBuf,
    pub(super) version: String,
    env: &'a BTreeMap<String, String>,
}

impl<'a> Sops<'a> {
    /// Looks for it on the PATH of `env`, which is all of its environment.
    pub(super) fn find(env: &'a BTreeMap<String, String>) -> Result<Self, Problem> {
        let path = env.get("PATH").map(String::as_str);
        let program = which::which_in("sops", path, "/").map_err(|_| Problem::NotInstalled)?;
        let mut sops = Self {
            program,
            version: String::new(),
            env,
        };
        let output = sops.run(&["--version", "--disable-version-check"], Vec::new(), None)?;
        let said = String::from_utf8_lossy(&output.stdout);
        version(&said)
            .ok_or(Problem::NotSops)?
            .clone_into(&mut sops.version);
        if numbers(&sops.version).is_none_or(|found| found < OLDEST) {
            return Err(Problem::TooOld(sops.version));
        }
        Ok(sops)
    }

    /// The text of an encrypted YAML file, as `to` (`yaml` or `json`).
    pub(super) fn decrypt(&self, sealed: &[u8], to: &str) -> Result<String, Problem> {
        let args = [
            "decrypt",
            "--input-type",
            "yaml",
            "--output-type",
            to,
            "/dev/stdin",
        ];
        let output = self.run(&args, sealed.to_vec(), None)?;
        self.text(output)
    }

    /// A YAML text encrypted for `age`; without any, for whom the
    /// `.sops.yaml` says that lies at or above `path`.
    pub(super) fn encrypt(
        &self,
        clear: &[u8],
        path: &Utf8Path,
        age: &[String],
    ) -> Result<String, Problem> {
        let recipients = age.join(",");
        let mut args = vec!["encrypt", "--input-type", "yaml", "--output-type", "yaml"];
        if !age.is_empty() {
            args.extend(["--age", &recipients]);
        }
        args.extend(["--filename-override", path.as_str(), "/dev/stdin"]);
        // It looks for `.sops.yaml` from where it is, upwards.
        let output = self.run(&args, clear.to_vec(), path.parent())?;
        self.text(output)
    }

    fn text(&self, output: Output) -> Result<String, Problem> {
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(Problem::of(output.status.code(), &said, self.env));
        }
        String::from_utf8(output.stdout).map_err(|_| Problem::Strange)
    }

    fn run(
        &self,
        args: &[&str],
        input: Vec<u8>,
        dir: Option<&Utf8Path>,
    ) -> Result<Output, Problem> {
        let mut env = self.env.clone();
        // It would take a name without a file for a file without a name.
        env.retain(|name, value| !(name.starts_with("SOPS_") && value.is_empty()));
        // It would ask GitHub for a newer one.
        env.insert("SOPS_DISABLE_VERSION_CHECK".to_owned(), "true".to_owned());
        let expression = duct::cmd(&self.program, args);
        let expression = match dir {
            Some(dir) => expression.dir(dir),
            // Paths of keys may be relative to where the user is.
            None => expression,
        };
        let expression = expression
            .full_env(env)
            .stdin_bytes(input)
            .stdout_capture()
            .stderr_capture()
            .unchecked();
        match output(&expression, LIMIT) {
            Ok(Some(output)) => Ok(output),
            Ok(None) => Err(Problem::TooLong(LIMIT)),
            Err(error) => Err(Problem::CannotStart(error.kind())),
        }
    }
}

/// From `sops 3.13.3 (latest)`.
fn version(said: &str) -> Option<&str> {
    let mut words = said.lines().next()?.split_whitespace();
    (words.next()? == "sops").then(|| words.next())?
}

fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.trim_start_matches('v').split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        assert_eq!(version("sops 3.13.3\n"), Some("3.13.3"));
        assert_eq!(version("sops 3.8.1 (latest)\n"), Some("3.8.1"));
        assert_eq!(version("something else\n"), None);
        assert!(numbers("3.13.3") >= Some(OLDEST));
        assert!(numbers("3.8.1") < Some(OLDEST));
        assert_eq!(numbers("unknown"), None);
    }

    #[test]
    fn a_path_without_it_says_so() {
        let env = BTreeMap::from([("PATH".to_owned(), "/nowhere".to_owned())]);
        assert_eq!(Sops::find(&env).map(|_| ()), Err(Problem::NotInstalled));
    }

    /// A stand-in: it proves only how a version is read.
    #[test]
    fn an_old_one_is_never_asked_to_decrypt() {
        let guard = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(guard.path()).unwrap();
        let script = format!("#!/bin/sh\necho \"$@\" >> {dir}/asked\necho sops 3.8.1\n");
        duct::cmd!("install", "-m", "755", "/dev/stdin", dir.join("sops"))
            .stdin_bytes(script)
            .run()
            .unwrap();
        let env = BTreeMap::from([("PATH".to_owned(), format!("{dir}:/usr/bin:/bin"))]);
        let problem = Sops::find(&env).map(|_| ()).unwrap_err();
        assert_eq!(problem, Problem::TooOld("3.8.1".to_owned()));
        let asked = std::fs::read_to_string(dir.join("asked")).unwrap();
        assert_eq!(asked, "--version --disable-version-check\n");
    }
}
