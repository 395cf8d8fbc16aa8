//! git, always in a bare repository of our own: it reads no settings but those that
//! are written here, runs no hooks and no helpers, asks nobody, and has limits of time
//! and output.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use camino::{Utf8Path, Utf8PathBuf};
use duct::{Expression, ReaderHandle};

use super::checkout::cannot;
use crate::app::Caller;
use crate::base::{Cancel, Process, sanitize};

/// The longest list that git may write.
const LIST: u64 = 256 << 20;
/// How often it is looked whether the daemon ends.
const LOOK: Duration = Duration::from_millis(50);

/// Settings of the bare repository. Nobody packs it a second time, and files that say
/// which objects there are, are not believed: they may come from somebody else.
const SETTINGS: &str = "
[core]
    hooksPath = /dev/null
    fsmonitor = false
    bigFileThreshold = 16m
    commitGraph = false
    multiPackIndex = false
    logAllRefUpdates = false
[gc]
    auto = 0
[pack]
    threads = 1
    windowMemory = 64m
[fastimport]
    unpackLimit = 0
[repack]
    writeBitmaps = false
[protocol]
    allow = never
";

/// git in one bare repository.
#[derive(Debug)]
pub(super) struct Git {
    program: PathBuf,
    env: BTreeMap<String, String>,
    /// Where it runs, and what paths in its answers begin at.
    dir: Utf8PathBuf,
    index: Utf8PathBuf,
    until: Instant,
    stop: Cancel,
}

impl Git {
    /// git in the repository `bare`, which is made by [`Git::init`], over the work tree
    /// `work`. It has ended by `until`, or when it is told to `stop`. What it keeps for
    /// itself is in `home`.
    ///
    /// # Errors
    /// There is no git, in words.
    pub(super) fn new(
        caller: &Caller,
        home: &Utf8Path,
        bare: &Utf8Path,
        work: &Utf8Path,
        until: Instant,
        stop: &Cancel,
    ) -> Result<Self, String> {
        let program = which::which_in("git", caller.var("PATH"), &caller.cwd)
            .map_err(|_| "`git` is not installed; install your system's package `git`")?;
        let index = home.join("index");
        let mut env: BTreeMap<String, String> = [
            ("HOME", home.as_str()),
            ("XDG_CONFIG_HOME", home.as_str()),
            ("TMPDIR", home.as_str()),
            ("LC_ALL", "C"),
            ("GIT_DIR", bare.as_str()),
            ("GIT_WORK_TREE", work.as_str()),
            ("GIT_INDEX_FILE", index.as_str()),
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_SYSTEM", "/dev/null"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_ATTR_NOSYSTEM", "1"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_ALLOW_PROTOCOL", "none"),
            ("GIT_PAGER", "cat"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if let Some(path) = caller.var("PATH") {
            env.insert("PATH".to_owned(), path.to_owned());
        }
        Ok(Self {
            program,
            env,
            dir: work.to_owned(),
            index,
            until,
            stop: stop.clone(),
        })
    }

    /// The index that it reads.
    pub(super) fn index(&self) -> &Utf8Path {
        &self.index
    }

    /// Makes the repository, for object ids of so many digits.
    ///
    /// # Errors
    /// It cannot be made, in words.
    pub(super) fn init(&self, bare: &Utf8Path, digits: usize) -> Result<(), String> {
        let format = if digits == 64 { "sha256" } else { "sha1" };
        let format = format!("--object-format={format}");
        let mut env = self.env.clone();
        // They would be those of another repository.
        env.retain(|name, _| name != "GIT_DIR" && name != "GIT_WORK_TREE");
        let args = [
            "init",
            "--quiet",
            "--bare",
            "--template=",
            "--initial-branch=_working",
            format.as_str(),
            bare.as_str(),
        ];
        let expression = self.expression(&args).full_env(env).stdin_null();
        self.watched(&args, expression, &[0], nothing)?;
        let config = bare.join("config");
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&config)
            .map_err(|error| cannot("write", &config, &error))?;
        file.write_all(SETTINGS.as_bytes())
            .map_err(|error| cannot("write", &config, &error))
    }

    /// Runs it; `input` is what it reads.
    ///
    /// # Errors
    /// As of [`Git::read`].
    pub(super) fn run(&self, args: &[&str], input: impl Into<Vec<u8>>) -> Result<(), String> {
        self.read(args, input, nothing)
    }

    /// What it writes, whole.
    ///
    /// # Errors
    /// As of [`Git::read`].
    pub(super) fn output(
        &self,
        args: &[&str],
        input: impl Into<Vec<u8>>,
    ) -> Result<Vec<u8>, String> {
        self.read(args, input, whole)
    }

    /// What it writes goes to `read` as it comes.
    ///
    /// # Errors
    /// It fails, takes too long, or `read` fails, in words.
    pub(super) fn read<T>(
        &self,
        args: &[&str],
        input: impl Into<Vec<u8>>,
        read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> Result<T, String> {
        let expression = self.expression(args).full_env(&self.env);
        self.watched(args, expression.stdin_bytes(input), &[0], read)
    }

    /// What it reads comes from `write`.
    ///
    /// # Errors
    /// It fails, takes too long, or `write` fails, in words.
    pub(super) fn write(
        &self,
        args: &[&str],
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), String> {
        let (theirs, ours) = io::pipe().map_err(|error| format!("cannot make a pipe: {error}"))?;
        let expression = self.expression(args).full_env(&self.env).stdin_file(theirs);
        self.watched(args, expression, &[0], |output| {
            let mut writer = BufWriter::with_capacity(1 << 16, ours);
            let written = write(&mut writer).and_then(|()| writer.flush());
            // Not through drop, which would write what is left of a broken stream.
            drop(writer.into_parts());
            written?;
            nothing(output)
        })
    }

    /// A path that a setting names: of the user and the system, as `env` says where
    /// they are, or of one file.
    ///
    /// # Errors
    /// The settings are wrong, in words.
    pub(super) fn setting(
        &self,
        env: &BTreeMap<String, String>,
        file: Option<&Utf8Path>,
        key: &str,
    ) -> Result<Option<String>, String> {
        let mut all = self.env.clone();
        all.retain(|name, _| !name.starts_with("GIT_CONFIG_") && !name.starts_with("XDG_"));
        all.extend(env.clone());
        let mut args = vec!["config", "--includes", "--type=path"];
        args.extend(file.into_iter().flat_map(|file| ["--file", file.as_str()]));
        args.extend(["--get", key]);
        let expression = self.expression(&args).full_env(all).stdin_null();
        // 1 says that it is not set.
        let text = self.watched(&args, expression, &[0, 1], whole)?;
        let text = String::from_utf8_lossy(&text);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn expression(&self, args: &[&str]) -> Expression {
        duct::cmd(&self.program, args)
            .dir(&self.dir)
            // With what it starts, in a group that can be ended as a whole.
            .before_spawn(|command| {
                command.process_group(0);
                Ok(())
            })
            .stderr_capture()
            .unchecked()
    }

    /// Waits for git to end. It is killed when it times out, and when its output is of no
    /// more use.
    fn watched<T>(
        &self,
        args: &[&str],
        expression: Expression,
        good: &[i32],
        work: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> Result<T, String> {
        let name = args.first().copied().unwrap_or_default();
        let failed = |error: &io::Error| format!("cannot run `git {name}`: {error}");
        let handle = expression.reader().map_err(|error| failed(&error))?;
        // It holds our end of git's input.
        drop(expression);
        let group: Vec<Process> = handle.pids().into_iter().filter_map(Process::of).collect();
        let (result, late) = thread::scope(|scope| {
            let (done, told) = mpsc::channel::<()>();
            let group = &group;
            let watch = scope.spawn(move || {
                let late = self.is_late(&told);
                if late {
                    group.iter().copied().for_each(Process::kill_group);
                }
                late
            });
            let result = work(&mut &handle);
            if result.is_err() {
                group.iter().copied().for_each(Process::kill_group);
            }
            let rest = io::copy(&mut &handle, &mut io::sink());
            drop(done);
            (
                result.and_then(|value| rest.map(|_| value)),
                watch.join().unwrap_or(true),
            )
        });
        if self.stop.is_cancelled() {
            return Err(format!("`git {name}` was ended: the controller stops"));
        }
        if late {
            return Err(format!("`git {name}` took too long, and was ended"));
        }
        ended(&handle, name, good, result)
    }

    /// Waits until git has ended. Whether it must be killed: it timed out, or the
    /// controller stops.
    fn is_late(&self, told: &Receiver<()>) -> bool {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.stop.is_cancelled() {
                return true;
            }
            if told.recv_timeout(left.min(LOOK)) != Err(RecvTimeoutError::Timeout) {
                return false;
            }
        }
    }
}

/// What came of it: git's own words before those of the system.
fn ended<T>(
    handle: &ReaderHandle,
    name: &str,
    good: &[i32],
    result: io::Result<T>,
) -> Result<T, String> {
    let output = handle.try_wait().ok().flatten();
    let code = output.and_then(|output| output.status.code());
    let said = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
    let said = said.unwrap_or_default();
    // The first line is the reason, what follows is advice.
    let said = said.lines().find(|line| !line.trim().is_empty());
    let said = said.map(sanitize);
    match (result, code) {
        (Ok(value), Some(code)) if good.contains(&code) => Ok(value),
        (Ok(_), Some(code)) => Err(match said {
            Some(said) => format!("`git {name}` failed: {said}"),
            None => format!("`git {name}` failed with {code}"),
        }),
        (Ok(_), None) => Err(format!("`git {name}` was ended")),
        (Err(error), _) if error.kind() == io::ErrorKind::BrokenPipe => Err(match said {
            Some(said) => format!("`git {name}` failed: {said}"),
            None => format!("`git {name}` ended early"),
        }),
        (Err(error), _) => Err(error.to_string()),
    }
}

fn nothing(output: &mut dyn Read) -> io::Result<()> {
    io::copy(&mut output.take(LIST), &mut io::sink()).map(|_| ())
}

fn whole(output: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = output.take(LIST + 1).read_to_end(&mut bytes)?;
    if u64::try_from(read).is_ok_and(|read| read <= LIST) {
        return Ok(bytes);
    }
    Err(io::Error::other("git has more to say than is read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::trust::User;

    /// git in a new repository, which has so much time.
    fn git(dir: &Utf8Path, limit: Duration, stop: &Cancel) -> Git {
        let process = crate::lab::environment::process();
        let caller = Caller {
            user: User::of(&process),
            process,
            cwd: dir.to_owned(),
            lab: None,
            set: Vec::new(),
        };
        let bare = dir.join("repo.git");
        let until = Instant::now() + limit;
        Git::new(&caller, dir, &bare, dir, until, stop).unwrap()
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        let patient = git(dir, Duration::from_mins(2), &Cancel::default());
        patient.init(&dir.join("repo.git"), 40).unwrap();
        patient.run(&["cat-file", "--batch"], "HEAD\n").unwrap();
        let hasty = git(dir, Duration::from_millis(100), &Cancel::default());
        let hang = ["-c", "alias.hang=!sleep 600 & sleep 600", "hang"];
        let why = hasty.run(&hang, "").unwrap_err();
        assert!(why.contains("took too long"), "{why}");
    }

    /// Also what goes on when git itself has ended.
    #[test]
    fn what_it_started_is_ended_with_it() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        let init = git(dir, Duration::from_mins(2), &Cancel::default());
        init.init(&dir.join("repo.git"), 40).unwrap();
        let pids = dir.join("pids");
        for (script, count) in [
            ("sleep 600 & echo $$ $! >PIDS; sleep 600", 2),
            ("sleep 600 & echo $! >PIDS", 1),
        ] {
            std::fs::remove_file(&pids).ok();
            let stop = Cancel::default();
            let git = git(dir, Duration::from_mins(2), &stop);
            let alias = format!("alias.hang=!{}", script.replace("PIDS", pids.as_str()));
            let started: Vec<u32> = thread::scope(|scope| {
                let hanging = scope.spawn(|| git.run(&["-c", &alias, "hang"], "").unwrap_err());
                let started = (0..2400).find_map(|_| {
                    thread::sleep(LOOK);
                    let text = std::fs::read_to_string(&pids).unwrap_or_default();
                    let all = text.ends_with('\n').then(|| text.split_whitespace());
                    Some(all?.map(|pid| pid.parse().unwrap()).collect())
                });
                stop.cancel();
                let why = hanging.join().unwrap();
                assert!(why.contains("the controller stops"), "{why}");
                started.unwrap()
            });
            assert_eq!(started.len(), count);
            let lives = |pid: &u32| Process::of(*pid).is_some_and(Process::is_alive);
            let ended = (0..2400).any(|_| {
                thread::sleep(LOOK);
                !started.iter().any(lives)
            });
            assert!(ended, "{started:?}");
        }
    }

    #[test]
    fn a_failure_is_said_in_the_words_of_git() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        let git = git(dir, Duration::from_mins(2), &Cancel::default());
        git.init(&dir.join("repo.git"), 64).unwrap();
        let why = git
            .run(&["rev-parse", "--verify", "nothing"], "")
            .unwrap_err();
        assert!(why.starts_with("`git rev-parse` failed: fatal:"), "{why}");
        // It ends before it has read all.
        let endless = git.write(&["fast-import", "--quiet"], |stream| {
            loop {
                stream.write_all(b"nonsense\n")?;
            }
        });
        let why = endless.unwrap_err();
        assert!(why.starts_with("`git fast-import` failed: fatal:"), "{why}");
        let nobody = git.setting(&BTreeMap::new(), None, "core.excludesFile");
        assert!(nobody.is_ok(), "{nobody:?}");
    }
}
