//! A builder around the real binary.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// One invocation of `hl`: nothing of the surrounding environment but PATH,
/// and what `scripts/tools --print-env` sets.
#[derive(Debug, Clone)]
#[must_use]
pub(crate) struct Hl {
    dir: PathBuf,
    args: Vec<String>,
    env: BTreeMap<String, String>,
}

/// What an invocation did.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

/// Variables that the tools need to work without a network.
const TOOLS: &[&str] = &[
    "PATH",
    "TF_CLI_CONFIG_FILE",
    "PACKER_PLUGIN_PATH",
    "CHECKPOINT_DISABLE",
    "HL_GUEST_APT",
];

impl Hl {
    /// `hl` started in `dir`, with `dir` as its home.
    pub(crate) fn new(dir: &Path) -> Self {
        let mut env: BTreeMap<String, String> = TOOLS
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
            .collect();
        env.insert("HOME".to_owned(), dir.display().to_string());
        env.insert("DOPPLER".to_owned(), "0".to_owned());
        env.insert("TERM".to_owned(), "dumb".to_owned());
        env.insert("LANG".to_owned(), "C.UTF-8".to_owned());
        // tofu and its provider live for a second, a fifth of which they would
        // spend on collecting garbage.
        env.insert("GOGC".to_owned(), "off".to_owned());
        env.insert("GOMEMLIMIT".to_owned(), "1GiB".to_owned());
        Self {
            dir: dir.to_owned(),
            args: Vec::new(),
            env,
        }
    }

    /// Words of the command line, split at spaces.
    pub(crate) fn cmd(mut self, words: &str) -> Self {
        self.args
            .extend(words.split_whitespace().map(str::to_owned));
        self
    }

    /// Words of the command line as a shell splits them: single quotes keep spaces.
    pub(crate) fn arg_words(mut self, words: &str) -> Self {
        for (at, part) in words.split('\'').enumerate() {
            if at % 2 == 1 {
                self.args.push(part.to_owned());
            } else {
                self.args.extend(part.split_whitespace().map(str::to_owned));
            }
        }
        self
    }

    /// One argument as it is.
    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Takes a variable away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    /// The command, for tests that talk to the process themselves.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hl"));
        command
            .args(&self.args)
            .current_dir(&self.dir)
            .env_clear()
            .envs(&self.env);
        command
    }

    /// Starts it and returns at once; output goes to pipes.
    pub(crate) fn spawn(&self) -> Child {
        self.command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs it to its end.
    pub(crate) fn run(&self) -> Ran {
        let output = self.command().stdin(Stdio::null()).output().unwrap();
        Ran {
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// Runs it and expects this exit code.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> Ran {
        let ran = self.run();
        assert_eq!(
            ran.code,
            code,
            "hl {} ended with {}\n--- stdout\n{}\n--- stderr\n{}",
            self.args.join(" "),
            ran.code,
            ran.stdout,
            ran.stderr
        );
        ran
    }
}

impl Ran {
    /// stderr and stdout hold every one of these.
    #[track_caller]
    pub(crate) fn says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(
                self.stderr.contains(part) || self.stdout.contains(part),
                "`{part}` is not in\n--- stdout\n{}\n--- stderr\n{}",
                self.stdout,
                self.stderr
            );
        }
        self
    }

    /// stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("stdout is not JSON: {e}\n{}", self.stdout))
    }
}
