//! A writer that keeps nobody waiting: what is written goes through a queue of limited
//! length to a thread of its own. Where the reader is too slow, it is dropped and counted.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait.
const LINES: usize = 4096;

/// How long lines are gathered, so that many are written at once.
const GATHER: Duration = Duration::from_millis(5);

/// Bytes that are written at once, about.
const AT_ONCE: usize = 64 * 1024;

/// How long [`Queued::flush`] waits at most.
const PATIENCE: Duration = Duration::from_secs(1);

/// Takes whole lines, one a call. The first line behind some that were dropped says how
/// many they are.
#[derive(Debug)]
pub struct Queued {
    to: SyncSender<Item>,
    dropped: u64,
}

#[derive(Debug)]
enum Item {
    Text(Vec<u8>),
    /// All before it is written, which is to be said.
    Flush(SyncSender<()>),
}

impl Queued {
    /// Writes to `out`. Its thread ends when this is dropped, or with the process.
    ///
    /// # Errors
    /// The system has no thread for it.
    pub fn new(out: impl Write + Send + 'static) -> io::Result<Self> {
        Self::of(LINES, out)
    }

    fn of(lines: usize, out: impl Write + Send + 'static) -> io::Result<Self> {
        let (to, from) = sync_channel(lines);
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || drain(&from, out))?;
        Ok(Self { to, dropped: 0 })
    }
}

fn drain(from: &Receiver<Item>, mut out: impl Write) {
    let mut gathered = Vec::new();
    // Nobody is left to be told of an error.
    let mut write = |text: &mut Vec<u8>| {
        out.write_all(text).unwrap_or_default();
        out.flush().unwrap_or_default();
        text.clear();
    };
    for first in from {
        if matches!(first, Item::Text(_)) {
            thread::sleep(GATHER);
        }
        let mut next = Some(first);
        while let Some(item) = next {
            match item {
                Item::Text(text) => gathered.extend_from_slice(&text),
                Item::Flush(done) => {
                    write(&mut gathered);
                    done.try_send(()).unwrap_or_default();
                }
            }
            if gathered.len() >= AT_ONCE {
                write(&mut gathered);
            }
            next = from.try_recv().ok();
        }
        write(&mut gathered);
    }
}

impl Write for Queued {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut text = match self.dropped {
            0 => Vec::new(),
            1 => b"1 line was dropped: the log is read too slowly\n".to_vec(),
            count => {
                format!("{count} lines were dropped: the log is read too slowly\n").into_bytes()
            }
        };
        text.extend_from_slice(line);
        match self.to.try_send(Item::Text(text)) {
            Ok(()) => self.dropped = 0,
            Err(TrySendError::Full(_)) => self.dropped += 1,
            Err(TrySendError::Disconnected(_)) => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(line.len())
    }

    /// Waits a moment until all is written.
    fn flush(&mut self) -> io::Result<()> {
        let (done, told) = sync_channel(1);
        if self.to.try_send(Item::Flush(done)).is_ok() {
            told.recv_timeout(PATIENCE).unwrap_or_default();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use super::*;

    /// Writes when the test allows it, and says when it is about to.
    struct Slow {
        about: Sender<()>,
        allowed: Receiver<()>,
        written: Sender<String>,
    }

    /// The test's side of it.
    struct Reader {
        about: Receiver<()>,
        allow: Sender<()>,
        written: Receiver<String>,
    }

    fn slow() -> (Slow, Reader) {
        let (about, told) = channel();
        let (allow, allowed) = channel();
        let (written, read) = channel();
        let slow = Slow {
            about,
            allowed,
            written,
        };
        let reader = Reader {
            about: told,
            allow,
            written: read,
        };
        (slow, reader)
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.about.send(()).map_err(io::Error::other)?;
            self.allowed.recv().map_err(io::Error::other)?;
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            self.written.send(text).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn say(log: &mut Queued, line: &str) {
        log.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    #[test]
    fn a_slow_reader_holds_nobody_and_is_told_what_it_missed() {
        let (slow, reader) = slow();
        let wait = Duration::from_mins(1);
        let mut log = Queued::of(4, slow).unwrap();
        say(&mut log, "0");
        reader.about.recv_timeout(wait).unwrap();
        // The first is being written, four wait, fifteen have no place.
        for number in 1..20 {
            say(&mut log, &number.to_string());
        }
        for _ in 0..10 {
            reader.allow.send(()).unwrap();
        }
        let mut all = String::new();
        while all.lines().count() < 5 {
            all += &reader.written.recv_timeout(wait).unwrap();
        }
        assert_eq!(all, "0\n1\n2\n3\n4\n");
        say(&mut log, "next");
        say(&mut log, "last");
        log.flush().unwrap();
        let rest: String = reader.written.try_iter().collect();
        let gap = "15 lines were dropped: the log is read too slowly\n";
        assert_eq!(rest, format!("{gap}next\nlast\n"));
    }

    #[test]
    fn a_reader_that_never_comes_is_not_waited_for() {
        for lines in [2, 50] {
            let (slow, _reader) = slow();
            let mut log = Queued::of(lines, slow).unwrap();
            for number in 0..20 {
                say(&mut log, &number.to_string());
            }
            log.flush().unwrap();
        }
    }
}
