//! A lab that is a git repository, others beside it, and clients of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::{Answer, Client, Daemon, Hl, TestLab};

/// What opens the repositories.
pub(super) const TOKEN: &str = "repo-token-of-the-test";

/// Waits this often for a moment: two minutes in all.
const MOMENTS: usize = 6000;

pub(super) struct Stage {
    pub(super) lab: TestLab,
    pub(super) beside: TempDir,
}

impl Stage {
    /// A lab `test` with a site-config, without a commit yet.
    pub(super) fn new() -> Self {
        let stage = Self {
            lab: TestLab::empty(),
            beside: TempDir::new().unwrap(),
        };
        fs::create_dir(stage.temp()).unwrap();
        fs::create_dir(stage.beside.path().join("run")).unwrap();
        stage.lab.write("site/site.yaml", "defaults: {}\n");
        stage.lab.write(".gitignore", "/state/\n");
        stage.git(stage.lab.root(), &["init", "-q", "-b", "main"]);
        stage
    }

    /// Where the controller keeps what it serves.
    pub(super) fn temp(&self) -> PathBuf {
        self.beside.path().join("tmp")
    }

    /// What is there of it.
    pub(super) fn left(&self) -> Vec<OsString> {
        let entries = fs::read_dir(self.temp()).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    }

    /// A directory beside the lab with a new repository.
    pub(super) fn repository(&self, name: &str) -> PathBuf {
        let dir = self.beside.path().join(name);
        fs::create_dir_all(&dir).unwrap();
        self.git(&dir, &["init", "-q", "-b", "main"]);
        dir
    }

    /// Commits all that is in a directory.
    pub(super) fn commit(&self, dir: &Path, message: &str) -> String {
        self.git(dir, &["add", "-A"]);
        self.git(dir, &["commit", "-q", "-m", message]);
        self.git(dir, &["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// git as its user has it, in a directory. What it says.
    #[track_caller]
    pub(super) fn git(&self, dir: &Path, args: &[&str]) -> String {
        let output = self.git_command(dir).args(args).output().unwrap();
        said(&output, &format!("git {args:?}"))
    }

    /// A command of git that trusts nobody's settings.
    pub(super) fn git_command(&self, dir: &Path) -> Command {
        let mut git = Command::new("git");
        git.current_dir(dir)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.beside.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .envs([("GIT_AUTHOR_NAME", "x"), ("GIT_AUTHOR_EMAIL", "x@x")])
            .envs([("GIT_COMMITTER_NAME", "x"), ("GIT_COMMITTER_EMAIL", "x@x")])
            .stdin(Stdio::null());
        git
    }

    pub(super) fn hl(&self, words: &str) -> Hl {
        let beside = self.beside.path();
        self.lab
            .hl(words)
            .env("HOME", beside.display().to_string())
            .env("TMPDIR", self.temp().display().to_string())
            .env("XDG_RUNTIME_DIR", beside.join("run").display().to_string())
            .env("HL_REPO_TOKEN", TOKEN)
    }

    #[track_caller]
    pub(super) fn serve(&self) -> Served {
        self.serve_with("")
    }

    /// A controller of the lab with more flags.
    #[track_caller]
    pub(super) fn serve_with(&self, flags: &str) -> Served {
        Served {
            daemon: Daemon::start(&self.hl("serve").cmd(flags)),
        }
    }

    /// Clones a repository into a new directory.
    #[track_caller]
    pub(super) fn clone(&self, served: &Served, name: &str, to: &str) -> PathBuf {
        let to = self.beside.path().join(to);
        let output = served
            .client(&mut self.git_command(self.beside.path()))
            .args(["clone", "-q", &served.url(name)])
            .arg(&to)
            .output()
            .unwrap();
        said(&output, "git clone");
        to
    }
}

/// A running controller.
pub(super) struct Served {
    pub(super) daemon: Daemon,
}

impl Served {
    /// Where a repository is, with what opens it.
    pub(super) fn url(&self, name: &str) -> String {
        let port = self.daemon.port();
        format!("https://git:{TOKEN}@127.0.0.1:{port}/{name}.git")
    }

    /// Lets a command trust the controller's certificate.
    pub(super) fn client<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.env("GIT_SSL_CAINFO", self.daemon.certificate_file())
    }

    /// An answer to one who has the token.
    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Answer {
        get(&mut self.daemon.connect(), path, &[])
    }

    /// Reloads, and waits until that is done.
    #[track_caller]
    pub(super) fn reload(&self) {
        let count = || self.daemon.log().matches("reloaded").count();
        let before = count();
        self.daemon.signal(Signal::HUP);
        for _ in 0..MOMENTS {
            if count() > before {
                return;
            }
            moment();
        }
        panic!("it does not reload:\n{}", self.daemon.log());
    }

    /// Why a repository is not served, as it was said at the start.
    #[track_caller]
    pub(super) fn refused(&self, name: &str) -> String {
        let refused = self.daemon.started["refused"].as_array();
        let mut refused = refused.into_iter().flatten();
        let one = refused.find(|one| one["name"] == name);
        let Some(one) = one else {
            panic!("`{name}` is not refused: {:#}", self.daemon.started);
        };
        one["why"].as_str().unwrap().to_owned()
    }

    /// The names of those that are served.
    pub(super) fn names(&self) -> Vec<&str> {
        let names = self.daemon.started["repos"].as_array().unwrap();
        names.iter().filter_map(|name| name.as_str()).collect()
    }
}

pub(super) fn moment() {
    thread::sleep(Duration::from_millis(20));
}

/// GET with the token.
#[track_caller]
pub(super) fn get(client: &mut Client, path: &str, headers: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {TOKEN}");
    let mut all = vec![("Authorization", bearer.as_str())];
    all.extend_from_slice(headers);
    client.get(path, &all)
}

/// stdout of a program that succeeded.
#[track_caller]
pub(super) fn said(output: &Output, what: &str) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{what}: {}\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// All files below a directory but `.git`: what they are, and what is in them.
pub(super) fn files(dir: &Path) -> BTreeMap<Vec<u8>, (String, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(at) = dirs.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            let name = path.strip_prefix(dir).unwrap().as_os_str().as_bytes();
            if path.ends_with(".git") {
                continue;
            }
            let file = if meta.is_dir() {
                dirs.push(path);
                continue;
            } else if meta.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                ("link".to_owned(), target.as_os_str().as_bytes().to_vec())
            } else {
                let executable = meta.permissions().mode() & 0o100 != 0;
                (
                    format!("executable: {executable}"),
                    fs::read(&path).unwrap(),
                )
            };
            found.insert(name.to_vec(), file);
        }
    }
    found
}
