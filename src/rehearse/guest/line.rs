//! The holder's end of the pipes to a guest's PID 1.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{ChildStdin, ChildStdout};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::ask::{Answer, Ask, LINE, MOST, Question, Told};
use super::init::READY;
use hl_sim::AgentRun;

/// How long PID 1 has for an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many answers may lie unread: a guest that floods its holder is not listened to.
const UNREAD: usize = 16;

/// The pipes to a guest. It ends when its end of the first one closes.
#[derive(Debug)]
pub(super) struct Line(Mutex<Ends>);

#[derive(Debug)]
struct Ends {
    input: ChildStdin,
    answers: Receiver<Answer>,
    number: u64,
}

impl Line {
    /// Takes the pipes. The receiver is told when the guest is up; it is closed when
    /// the guest ends before.
    pub(super) fn new(input: ChildStdin, output: ChildStdout) -> (Self, Receiver<()>) {
        let (up, ready) = mpsc::channel();
        let (told, answers) = mpsc::sync_channel(UNREAD);
        thread::spawn(move || listen(output, up, &told));
        let ends = Ends {
            input,
            answers,
            number: 0,
        };
        (Self(Mutex::new(ends)), ready)
    }

    /// Asks PID 1 something. The error is the agent's own.
    pub(super) fn ask(&self, ask: Ask) -> Result<Told, String> {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ends.number += 1;
        let number = ends.number;
        let text = serde_json::to_string(&Question { number, ask });
        let mut text = text.map_err(|error| error.to_string())?;
        text.push('\n');
        ends.input
            .write_all(text.as_bytes())
            .map_err(|error| format!("the guest does not listen: {error}"))?;
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match ends.answers.recv_timeout(left) {
                Ok(answer) if answer.number == number => return answer.told,
                // One that came too late for its question.
                Ok(_) => {}
                Err(_) => return Err(format!("the guest gave no answer in {PATIENCE:?}")),
            }
        }
    }
}

/// What the agent does, each with the agent's own errors.
impl Line {
    /// Starts a program; gives its process.
    pub(super) fn exec(&self, argv: &[String], input: &[u8]) -> Result<i32, String> {
        let told = self.ask(Ask::Exec {
            argv: argv.to_vec(),
            input: input.to_vec(),
        })?;
        let Told::Started { pid } = told else {
            return Err(odd(&told));
        };
        Ok(pid)
    }

    /// How a program ended; `None`: it runs.
    pub(super) fn exec_status(&self, pid: i32) -> Result<Option<AgentRun>, String> {
        let told = self.ask(Ask::Status { pid })?;
        if matches!(told, Told::Running) {
            return Ok(None);
        }
        if let Told::Ended(ended) = told {
            return Ok(Some(AgentRun {
                code: ended.code,
                signal: ended.signal,
                out: ended.out.bytes,
                out_cut: ended.out.cut,
                err: ended.err.bytes,
                err_cut: ended.err.cut,
            }));
        }
        Err(odd(&told))
    }

    /// The beginning of a file, and whether there is more of it.
    pub(super) fn read_file(&self, path: &str) -> Result<(Vec<u8>, bool), String> {
        let told = self.ask(Ask::Read {
            path: path.to_owned(),
            offset: 0,
            count: MOST,
        })?;
        if let Told::Content { bytes, last } = told {
            return Ok((bytes, !last));
        }
        Err(odd(&told))
    }

    /// Writes a file.
    pub(super) fn write_file(&self, path: &str, content: &[u8]) -> Result<(), String> {
        self.ask(Ask::Write {
            path: path.to_owned(),
            content: content.to_vec(),
        })
        .map(|_| ())
    }
}

/// An answer that does not fit its question.
fn odd(told: &Told) -> String {
    format!("the guest answered something else: {told:?}")
}

fn listen(output: ChildStdout, up: Sender<()>, told: &SyncSender<Answer>) {
    let mut output = BufReader::new(output);
    let mut up = Some(up);
    loop {
        let mut line = Vec::new();
        match (&mut output).take(LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if line.trim_ascii() == READY.as_bytes() {
            // Once; nobody waits for it a second time.
            if let Some(up) = up.take() {
                up.send(()).ok();
            }
        } else if let Ok(answer) = serde_json::from_slice(&line) {
            told.try_send(answer).ok();
        }
    }
}
