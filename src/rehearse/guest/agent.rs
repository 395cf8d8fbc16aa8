//! The guest agent: PID 1 does what the holder asks, inside of the guest's walls.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, PipeReader, Read as _, Write as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use rustix::process::Signal;

use super::ask::{Answer, Ask, Ended, LINE, MOST, Printed, Question, Told};
use super::children::{self, Children};
use super::services::Services;

/// How many programs may be under way, or not yet asked for.
const PROGRAMS: usize = 64;
/// How long the output of a program that ended is waited for: what it left behind may
/// hold it open for ever.
const LINGER: Duration = Duration::from_secs(2);

/// A program that was started.
#[derive(Debug)]
struct Program {
    out: Arc<Mutex<Output>>,
    err: Arc<Mutex<Output>>,
    ended: Option<Instant>,
}

#[derive(Debug, Default)]
struct Output {
    printed: Printed,
    closed: bool,
}

/// What the agent has under way.
#[derive(Debug, Default)]
struct Agent {
    programs: BTreeMap<i32, Program>,
}

/// Answers until the holder's end of the pipe closes.
pub(super) fn answer(services: &Services) {
    let mut agent = Agent::default();
    let mut input = io::stdin().lock();
    loop {
        let mut line = Vec::new();
        match (&mut input).take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let Ok(Question { number, ask }) = serde_json::from_slice(&line) else {
            continue;
        };
        let told = agent.act(&services.children, ask);
        if let Ok(mut text) = serde_json::to_string(&Answer { number, told }) {
            text.push('\n');
            io::stdout().write_all(text.as_bytes()).ok();
        }
    }
}

impl Agent {
    fn act(&mut self, children: &Children, ask: Ask) -> Result<Told, String> {
        match ask {
            Ask::Exec { argv, input } => self.exec(children, &argv, input),
            Ask::Status { pid } => self.status(children, pid),
            Ask::Read {
                path,
                offset,
                count,
            } => read(&path, offset, count.min(MOST)),
            Ask::Write { path, content } => write(&path, &content),
            Ask::Pause { paused } => {
                let signal = if paused { Signal::STOP } else { Signal::CONT };
                for pid in children::all() {
                    children::signal(pid, signal);
                }
                Ok(Told::Done)
            }
        }
    }

    fn exec(
        &mut self,
        children: &Children,
        argv: &[String],
        input: Vec<u8>,
    ) -> Result<Told, String> {
        if self.programs.len() >= PROGRAMS {
            return Err("too many programs were started and not asked for".to_owned());
        }
        let Some((program, rest)) = argv.split_first() else {
            return Err("Parameter 'path' is missing".to_owned());
        };
        let failed = |error: io::Error| format!("Failed to create pipe: {}", reason(&error));
        let (stdin, mut feed) = io::pipe().map_err(failed)?;
        let (out, out_end) = io::pipe().map_err(failed)?;
        let (err, err_end) = io::pipe().map_err(failed)?;
        let mut command = Command::new(program);
        command
            .args(rest)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .current_dir("/")
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(out_end))
            .stderr(Stdio::from(err_end));
        let started = children.spawn(&mut command);
        // Our copies of the program's ends: without this nothing ever closes.
        drop(command);
        let pid = started.map_err(|_| {
            format!("Failed to execute child process “{program}” (No such file or directory)")
        })?;
        thread::spawn(move || feed.write_all(&input).ok());
        let program = Program {
            out: collect(out),
            err: collect(err),
            ended: None,
        };
        self.programs.insert(pid, program);
        Ok(Told::Started { pid })
    }

    fn status(&mut self, children: &Children, pid: i32) -> Result<Told, String> {
        let Some(program) = self.programs.get_mut(&pid) else {
            return Err("Invalid parameter 'pid'".to_owned());
        };
        let Some(ended) = children.wait(pid, Some(Duration::ZERO)) else {
            return Ok(Told::Running);
        };
        let since = *program.ended.get_or_insert_with(Instant::now);
        if !(closed(&program.out) && closed(&program.err)) && since.elapsed() < LINGER {
            return Ok(Told::Running);
        }
        children.forget(pid);
        let (code, signal) = match ended {
            children::Ended::Code(code) => (Some(code), None),
            children::Ended::Signal(signal) => (None, Some(signal)),
        };
        let told = Ended {
            code,
            signal,
            out: taken(&program.out),
            err: taken(&program.err),
        };
        self.programs.remove(&pid);
        Ok(Told::Ended(told))
    }
}

fn closed(output: &Mutex<Output>) -> bool {
    output.lock().unwrap_or_else(PoisonError::into_inner).closed
}

fn taken(output: &Mutex<Output>) -> Printed {
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut output.printed)
}

/// Reads a pipe to its end, and keeps the beginning.
fn collect(mut pipe: PipeReader) -> Arc<Mutex<Output>> {
    let output = Arc::new(Mutex::new(Output::default()));
    let shared = Arc::clone(&output);
    thread::spawn(move || {
        let mut chunk = [0_u8; 16 << 10];
        loop {
            let count = match pipe.read(&mut chunk) {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            let mut output = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let room = (MOST / 4).saturating_sub(output.printed.bytes.len());
            output.printed.cut |= count > room;
            output
                .printed
                .bytes
                .extend(chunk.iter().take(count.min(room)));
        }
        shared.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    });
    output
}

/// A regular file: nothing that would be waited for.
fn open(path: &str, options: &OpenOptions, mode: char) -> Result<File, String> {
    let failed = |why: &str| format!("failed to open file '{path}' (mode: '{mode}'): {why}");
    let file = options
        .open(path)
        .map_err(|error| failed(&reason(&error)))?;
    match file.metadata() {
        Ok(found) if found.is_file() => Ok(file),
        _ => Err(failed("not a regular file")),
    }
}

fn nonblocking() -> i32 {
    i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0)
}

fn read(path: &str, offset: u64, count: usize) -> Result<Told, String> {
    let file = open(
        path,
        OpenOptions::new().read(true).custom_flags(nonblocking()),
        'r',
    )?;
    // One more byte tells whether there is more; files of /proc have no size.
    let mut bytes = vec![0; count + 1];
    let mut length = 0;
    while length < bytes.len() {
        let rest = bytes.get_mut(length..).unwrap_or_default();
        match file.read_at(rest, offset + length as u64) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) => return Err(format!("failed to read file '{path}': {}", reason(&error))),
        }
    }
    bytes.truncate(length.min(count));
    Ok(Told::Content {
        bytes,
        last: length <= count,
    })
}

fn write(path: &str, content: &[u8]) -> Result<Told, String> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(nonblocking());
    let mut file = open(path, &options, 'w')?;
    file.write_all(content)
        .map_err(|error| format!("failed to write to file '{path}': {}", reason(&error)))?;
    Ok(Told::Done)
}

/// An error as C programs say it.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_in_pieces_and_written_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("note").display().to_string();
        write(&path, b"one two").unwrap();
        write(&path, b"three").unwrap();
        let piece = |offset, count| {
            let Told::Content { bytes, last } = read(&path, offset, count).unwrap() else {
                panic!("not a piece");
            };
            (String::from_utf8(bytes).unwrap(), last)
        };
        assert_eq!(piece(0, 100), ("three".to_owned(), true));
        assert_eq!(piece(0, 3), ("thr".to_owned(), false));
        assert_eq!(piece(3, 2), ("ee".to_owned(), true));
        let missing = folder.path().join("x").display().to_string();
        assert_eq!(
            read(&missing, 0, 1).unwrap_err(),
            format!("failed to open file '{missing}' (mode: 'r'): No such file or directory")
        );
        let odd = folder.path().display().to_string();
        assert!(
            read(&odd, 0, 1)
                .unwrap_err()
                .ends_with("not a regular file")
        );
        assert!(std::fs::read(&path).is_ok());
    }

    #[test]
    fn a_programs_end_and_words_are_told_once() {
        let children = Children::default();
        let mut agent = Agent::default();
        let argv = ["sh", "-c", "read x; echo got $x; echo bad >&2; exit 3"].map(str::to_owned);
        let Told::Started { pid } = agent.exec(&children, &argv, b"tea\n".to_vec()).unwrap() else {
            panic!("not started");
        };
        let until = Instant::now() + Duration::from_mins(1);
        let ended = loop {
            // Nobody reaps here but this test.
            if let Ok(Some((_, status))) = rustix::process::waitpid(
                rustix::process::Pid::from_raw(pid),
                rustix::process::WaitOptions::NOHANG,
            ) {
                assert_eq!(status.exit_status(), Some(3));
                children.forget(pid);
            }
            if let Told::Ended(ended) = agent.status(&children, pid).unwrap() {
                break ended;
            }
            assert!(Instant::now() < until, "it does not end");
            thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(ended.out.bytes, b"got tea\n");
        assert_eq!(ended.err.bytes, b"bad\n");
        assert_eq!(
            agent.status(&children, pid).unwrap_err(),
            "Invalid parameter 'pid'"
        );
        let none = ["/no/such/program".to_owned()];
        assert!(agent.exec(&children, &none, Vec::new()).is_err());
    }
}
