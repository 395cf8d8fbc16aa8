//! What a child writes, until it is redacted into its step's log.
//!
//! A child writes to spool files, never to a pipe: a pipe dies with `hl`, and
//! tofu then loses its state. `hl` reads the spool line by line, redacts it
//! into the log and removes it; what a killed `hl` left is swept later.
//!
//! Names: `SLUG.N.out.spool` and `SLUG.N.err.spool` beside `SLUG.log`; of a child that
//! makes secrets `SLUG.N.held.out.spool`: nobody reads that before they are known.

use std::fs::{self, File};
use std::io::{self, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};

use super::Redactor;
use crate::base::{private_append, private_read};

/// A line longer than this is left out: it is data, not something said, and
/// cutting it could cut a secret in two.
const LONGEST: usize = 16 * 1024 * 1024;

/// What the name of a spool has whose child makes secrets.
pub const HELD: &str = ".held";

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// Cuts bytes into lines, keeping an unfinished one for later. A line ends at
/// `\n`, `\r\n` or, as progress does that paints over itself, at `\r`.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
    dropping: bool,
    /// The last byte was a `\r`: a `\n` that follows belongs to it.
    returned: bool,
}

impl Lines {
    /// Takes bytes and gives every line that they finish, without its end.
    pub fn push(&mut self, bytes: &[u8], line: &mut dyn FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            if std::mem::take(&mut self.returned) && piece == b"\n" {
                continue;
            }
            if !self.dropping {
                self.partial.extend_from_slice(piece);
            }
            if self.partial.len() > LONGEST {
                self.partial.clear();
                self.partial.shrink_to_fit();
                self.dropping = true;
            }
            self.returned = piece.ends_with(b"\r");
            if self.returned || piece.ends_with(b"\n") {
                self.end(line);
            }
        }
    }

    /// Gives the unfinished line, if there is one.
    pub fn finish(&mut self, line: &mut dyn FnMut(&str)) {
        if self.dropping || !self.partial.is_empty() {
            self.end(line);
        }
    }

    fn end(&mut self, line: &mut dyn FnMut(&str)) {
        if std::mem::take(&mut self.dropping) {
            line("(a line of more than 16 MiB is left out here)");
            return;
        }
        let bytes = std::mem::take(&mut self.partial);
        let text = bytes.strip_suffix(b"\n").or(bytes.strip_suffix(b"\r"));
        let text = text.unwrap_or(&bytes);
        line(&String::from_utf8_lossy(text));
    }
}

/// Reads a spool file as it grows.
#[derive(Debug)]
pub struct Tail {
    file: File,
    lines: Lines,
    buffer: Vec<u8>,
}

impl Tail {
    /// Reads the file from its beginning.
    pub fn open(path: &Utf8Path) -> io::Result<Self> {
        Ok(Self {
            file: private_read(path)?,
            lines: Lines::default(),
            buffer: vec![0; CHUNK],
        })
    }

    /// Gives every line that was finished since.
    pub fn read(&mut self, line: &mut dyn FnMut(&str)) -> io::Result<()> {
        loop {
            match self.file.read(&mut self.buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    let bytes = self.buffer.get(..count).unwrap_or_default();
                    self.lines.push(bytes, line);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives what is left, the unfinished last line too.
    pub fn finish(&mut self, line: &mut dyn FnMut(&str)) -> io::Result<()> {
        let result = self.read(line);
        self.lines.finish(line);
        result
    }
}

/// The file name that stands for a step: its id with `-` for `/` and for all
/// that does not belong in a file name.
pub fn slug(step: &str) -> String {
    let name: String = step
        .chars()
        // A file's name has room for 255 bytes, and more stands behind it.
        .take(200)
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '_' | '@' | '-' => c,
            _ => '-',
        })
        .collect();
    match name.trim_start_matches('.') {
        "" => "step".to_owned(),
        name => name.to_owned(),
    }
}

/// The log that a spool belongs to: `a.2.err.spool` -> `a.log`.
pub fn log_of(spool: &Utf8Path) -> Option<Utf8PathBuf> {
    let rest = spool.file_name()?.strip_suffix(".spool")?;
    let rest = rest
        .strip_suffix(".out")
        .or_else(|| rest.strip_suffix(".err"))?;
    let rest = rest.strip_suffix(HELD).unwrap_or(rest);
    let (slug, number) = rest.rsplit_once('.')?;
    number.parse::<u32>().ok()?;
    Some(spool.with_file_name(format!("{slug}.log")))
}

/// Whether a spool may hold secrets that no redactor knows.
fn is_held(spool: &Utf8Path) -> bool {
    let stem = spool.file_stem().and_then(|name| name.rsplit_once('.'));
    stem.is_some_and(|(rest, _)| rest.ends_with(HELD))
}

/// Redacts a left-over spool into its log and removes it. What a child said that makes
/// secrets is left out: they are not known.
pub fn sweep(spool: &Utf8Path, redactor: &Redactor) -> io::Result<()> {
    let Some(log) = log_of(spool) else {
        return Ok(());
    };
    if private_read(spool)?.metadata()?.len() > 0 {
        let mut log = io::BufWriter::new(private_append(&log)?);
        let name = spool.file_name().unwrap_or_default();
        if is_held(spool) {
            writeln!(
                log,
                "# {name} is left out: secrets that its child made may be in it"
            )?;
            log.flush()?;
            return fs::remove_file(spool);
        }
        writeln!(log, "# all of {name}, whose child outlived its run:")?;
        let mut result = Ok(());
        let mut write = |line: &str| {
            if result.is_ok() {
                result = writeln!(log, "{}", redactor.shown(line));
            }
        };
        Tail::open(spool)?.finish(&mut write)?;
        result?;
        log.flush()?;
    }
    fs::remove_file(spool)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lines_do_not_depend_on_where_the_bytes_are_cut(
            text in "[a-z\n\r\u{e4}]{0,80}",
            cuts in prop::collection::vec(0usize..200, 0..8),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut found = Vec::new();
            let mut lines = Lines::default();
            for pair in cuts.windows(2) {
                lines.push(&bytes[pair[0]..pair[1]], &mut |line| found.push(line.to_owned()));
            }
            lines.finish(&mut |line| found.push(line.to_owned()));
            let text = text.replace("\r\n", "\n").replace('\r', "\n");
            let mut wanted: Vec<&str> = text.split('\n').collect();
            if wanted.last() == Some(&"") {
                wanted.pop();
            }
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn a_huge_line_is_left_out_and_the_next_is_not() {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for _ in 0..20 {
            lines.push(&vec![b'x'; 1024 * 1024], &mut |line| {
                found.push(line.to_owned());
            });
        }
        lines.push(b"end\nnext\n", &mut |line| found.push(line.to_owned()));
        assert_eq!(
            found,
            ["(a line of more than 16 MiB is left out here)", "next"]
        );
    }

    #[test]
    fn spools_name_their_log() {
        let log = |name: &str| log_of(Utf8Path::new(name)).map(Utf8PathBuf::into_string);
        assert_eq!(log("/r/a.b.2.err.spool"), Some("/r/a.b.log".to_owned()));
        assert_eq!(log("/r/a.1.held.out.spool"), Some("/r/a.log".to_owned()));
        assert_eq!(log("/r/a.out.spool"), None);
        assert_eq!(log("/r/a.log"), None);
        assert_eq!(slug("l2-apply/plan x"), "l2-apply-plan-x");
        assert_eq!(slug("../../etc"), "-..-etc");
    }

    #[test]
    fn sweeping_redacts_and_removes() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let spool = dir.join("a-b.1.out.spool");
        fs::write(
            &spool,
            "token=hunter22\n10%\r\x1b[1mhun\0ter22\x1b[0m\rlast",
        )
        .unwrap();
        sweep(&spool, &Redactor::new(["hunter22"])).unwrap();
        assert!(!spool.exists());
        let log = fs::read_to_string(dir.join("a-b.log")).unwrap();
        assert!(
            log.ends_with("token=(secret)\n10%\n(secret)\nlast\n"),
            "{log}"
        );
        // Nobody knows what its child made.
        let held = dir.join("a-b.2.held.err.spool");
        fs::write(&held, "made=canary-9\n").unwrap();
        sweep(&held, &Redactor::new(["hunter22"])).unwrap();
        let log = fs::read_to_string(dir.join("a-b.log")).unwrap();
        assert!(!held.exists() && !log.contains("canary"), "{log}");
        assert!(log.contains("a-b.2.held.err.spool is left out"), "{log}");
    }
}
