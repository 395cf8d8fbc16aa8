//! A terminal that a test sits at.

use std::io::{Read, Write};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

/// How long a program may say nothing.
const SILENCE: Duration = Duration::from_mins(1);

/// Runs it on a terminal and types an answer to each question, in their order; gives
/// what it said and its exit code.
#[track_caller]
pub(super) fn on_terminal(template: &Command, answers: &[(&str, &str)]) -> (String, u32) {
    let terminal = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut command = CommandBuilder::new(template.get_program());
    command.args(template.get_args());
    command.cwd(template.get_current_dir().unwrap());
    command.env_clear();
    for (name, value) in template.get_envs() {
        command.env(name, value.unwrap());
    }
    command.env("TERM", "xterm");
    let mut child = terminal.slave.spawn_command(command).unwrap();
    drop(terminal.slave);
    let mut reader = terminal.master.try_clone_reader().unwrap();
    let mut writer = terminal.master.take_writer().unwrap();
    let (sender, pieces) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });
    let (mut said, mut seen) = (String::new(), 0);
    let mut left = answers.iter();
    let mut next = left.next();
    loop {
        match pieces.recv_timeout(SILENCE) {
            Ok(piece) => said.push_str(&String::from_utf8_lossy(&piece)),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                panic!("it says nothing: {said}");
            }
        }
        if let Some((question, answer)) = next
            && let Some(at) = said.get(seen..).and_then(|new| new.find(question))
        {
            seen += at + question.len();
            writer.write_all(format!("{answer}\r").as_bytes()).unwrap();
            next = left.next();
        }
    }
    assert!(next.is_none(), "not asked: {next:?}\n{said}");
    (said, child.wait().unwrap().exit_code())
}
