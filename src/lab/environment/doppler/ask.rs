//! One call of the `doppler` program.
//!
//! Formats (Doppler CLI 3): `secrets download --no-file --format json` prints
//! one flat JSON object of strings; narration and `Doppler Error: ...` go to
//! stderr; every failure is exit 1. After a failure of the network it reads an
//! encrypted fallback file that it wrote at the last success, and says so.

use std::collections::BTreeMap;
use std::io::{self, PipeReader, Read};
use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use camino::Utf8Path;

use super::Problem;

/// What is asked, and how.
#[derive(Debug)]
pub(in crate::lab::environment) struct Question<'a> {
    /// The program: a name on PATH, or a path.
    pub(in crate::lab::environment) program: &'a str,
    /// Where `doppler setup` was run.
    pub(in crate::lab::environment) dir: &'a Utf8Path,
    /// The whole environment of the program; the token is here, never in argv.
    pub(in crate::lab::environment) env: BTreeMap<String, String>,
    /// Project, when the lab names one.
    pub(in crate::lab::environment) project: Option<&'a str>,
    /// Config, when the lab names one.
    pub(in crate::lab::environment) config: Option<&'a str>,
    /// How long it may take.
    pub(in crate::lab::environment) timeout: Duration,
}

/// What Doppler gave.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::lab::environment) struct Answer {
    /// The values by name.
    pub(in crate::lab::environment) values: BTreeMap<String, String>,
    /// Why they are from the fallback file, if they are.
    pub(in crate::lab::environment) fallback: Option<String>,
}

/// Asks. By its own defaults the program tries for up to a minute before it
/// looks at its fallback file; with these limits it gets there in time.
pub(in crate::lab::environment) fn ask(question: &Question<'_>) -> Result<Answer, Problem> {
    let path = question.env.get("PATH").map(String::as_str);
    let program = which::which_in(question.program, path, question.dir)
        .map_err(|_| Problem::NotInstalled(question.program.to_owned()))?;
    let mut args = vec!["secrets", "download", "--no-file", "--format", "json"];
    args.extend(["--attempts", "3", "--timeout", "8s"]);
    for (flag, value) in [
        ("--project", question.project),
        ("--config", question.config),
    ] {
        if let Some(value) = value {
            args.extend([flag, value]);
        }
    }
    let mut env = question.env.clone();
    env.insert(
        "DOPPLER_ENABLE_VERSION_CHECK".to_owned(),
        "false".to_owned(),
    );
    let expression = duct::cmd(program, args)
        .dir(question.dir.as_std_path())
        .full_env(env)
        .stdin_null()
        .unchecked();
    match run(&expression, question.timeout) {
        Ok(Some(output)) => read(&output),
        Ok(None) => Err(Problem::TooLong(question.timeout)),
        Err(error) => Err(Problem::Other(format!("it cannot be started: {error}"))),
    }
}

/// The most that is read of what the program writes, in bytes.
const MOST: usize = 16 << 20;

/// What the program wrote, and how it ended.
struct Output {
    status: ExitStatus,
    stdout: Written,
    stderr: Written,
}

/// What came out of a pipe; none: more than [`MOST`].
type Written = Option<Vec<u8>>;

fn run(expression: &duct::Expression, timeout: Duration) -> io::Result<Option<Output>> {
    let until = Instant::now() + timeout;
    let (out, to_out) = io::pipe()?;
    let (err, to_err) = io::pipe()?;
    // The expression holds the ends that are written to: it goes at once, else
    // they would never close.
    let handle = expression.stdout_file(to_out).stderr_file(to_err).start()?;
    let (out, err) = (reader(out), reader(err));
    let left = || until.saturating_duration_since(Instant::now());
    // A program that writes too much finds its pipe closed and ends, too.
    let status = handle.wait_timeout(left())?.map(|output| output.status);
    let Some(status) = status else {
        handle.kill()?;
        return Ok(None);
    };
    drop(handle);
    // A child that it left behind may hold the pipes for longer.
    match (out.recv_timeout(left()), err.recv_timeout(left())) {
        (Ok(stdout), Ok(stderr)) => Ok(Some(Output {
            status,
            stdout: stdout?,
            stderr: stderr?,
        })),
        (Err(RecvTimeoutError::Timeout), _) | (_, Err(RecvTimeoutError::Timeout)) => Ok(None),
        (Err(RecvTimeoutError::Disconnected), _) | (_, Err(RecvTimeoutError::Disconnected)) => {
            Err(io::Error::other("its output cannot be read"))
        }
    }
}

/// Reads a pipe on a thread of its own.
fn reader(pipe: PipeReader) -> Receiver<io::Result<Written>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let most = u64::try_from(MOST).unwrap_or(u64::MAX);
        let read = pipe.take(most + 1).read_to_end(&mut text);
        let written = read.map(|count| (count <= MOST).then_some(text));
        // Nobody waits any more when the time is over.
        sender.send(written).is_ok()
    });
    receiver
}

fn read(output: &Output) -> Result<Answer, Problem> {
    let (Some(stdout), Some(stderr)) = (&output.stdout, &output.stderr) else {
        return Err(Problem::Other(format!(
            "it wrote more than {} MiB, expected a JSON object of strings",
            MOST >> 20
        )));
    };
    // It colours what it says, also where no terminal is.
    let said = String::from_utf8_lossy(stderr);
    let said = anstream::adapter::strip_str(&said).to_string();
    let mut errors = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Doppler Error: "))
        .map(clean);
    if !output.status.success() {
        return Err(Problem::of(&said, errors.next()));
    }
    // What is wrong with the text is not said: it may hold values.
    let values = serde_json::from_slice(stdout)
        .map_err(|_| Problem::Other("its answer is not a JSON object of strings".to_owned()))?;
    let fallback = said.contains("fallback file").then(|| {
        errors
            .next()
            .unwrap_or_else(|| "no reason given".to_owned())
    });
    Ok(Answer { values, fallback })
}

/// A line without what could steer a terminal.
fn clean(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in that proves only how the program is called and read; the
    /// real one is in `tests/environment.rs`.
    fn stand_in(script: &str, timeout: Duration) -> Result<Answer, Problem> {
        let guard = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(guard.path()).unwrap();
        let program = dir.join("doppler");
        // Written by a child: a file that this process has open for writing
        // cannot be run, and another test's fork may hold it open.
        duct::cmd!("install", "-m", "755", "/dev/stdin", &program)
            .stdin_bytes(format!("#!/bin/sh\n{script}\n"))
            .run()
            .unwrap();
        ask(&Question {
            program: program.as_str(),
            dir,
            env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            project: Some("homelab"),
            config: None,
            timeout,
        })
    }

    #[test]
    fn it_is_called_with_the_project_and_read_as_json() {
        let script = r#"printf '{"ARGS":"%s","CHECK":"%s"}' "$*" "$DOPPLER_ENABLE_VERSION_CHECK""#;
        let answer = stand_in(script, Duration::from_secs(10)).unwrap();
        assert_eq!(
            answer.values["ARGS"],
            "secrets download --no-file --format json --attempts 3 --timeout 8s --project homelab"
        );
        assert_eq!(answer.values["CHECK"], "false");
        assert_eq!(answer.fallback, None);
    }

    #[test]
    fn its_reason_is_found_under_the_colours() {
        let script =
            r"printf '\033[31mDoppler Error:\033[0m you must provide a token\n' >&2; exit 1";
        let problem = stand_in(script, Duration::from_secs(10)).unwrap_err();
        assert_eq!(problem, Problem::NoLogin);
    }

    #[test]
    fn it_is_stopped_when_it_takes_too_long() {
        let problem = stand_in("exec sleep 3600", Duration::from_millis(200)).unwrap_err();
        assert!(matches!(problem, Problem::TooLong(_)), "{problem:?}");
    }

    #[test]
    fn an_answer_without_end_is_not_read_to_its_end() {
        for script in ["exec yes", "exec yes >&2"] {
            let problem = stand_in(script, Duration::from_mins(1)).unwrap_err();
            let expected = "it wrote more than 16 MiB, expected a JSON object of strings";
            assert_eq!(problem, Problem::Other(expected.to_owned()));
        }
    }

    #[test]
    fn a_strange_answer_is_not_repeated() {
        for answer in [
            "canary-value",
            r#"["canary-value"]"#,
            r#"{"A":{"b":"canary-value"}}"#,
        ] {
            let script = format!("cat <<'END'\n{answer}\nEND");
            let problem = stand_in(&script, Duration::from_secs(10)).unwrap_err();
            assert!(!format!("{problem:?}").contains("canary"), "{problem:?}");
        }
    }
}
