//! Reads a file while another process writes it, line by line.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use camino::Utf8PathBuf;

/// Where the reading is.
#[derive(Debug)]
pub struct Follow {
    path: Utf8PathBuf,
    offset: u64,
    rest: Vec<u8>,
}

impl Follow {
    /// Begins at the file's start; it may not be there yet.
    pub fn new(path: Utf8PathBuf) -> Self {
        Self {
            path,
            offset: 0,
            rest: Vec::new(),
        }
    }

    /// Hands on every line that is complete by now. A file that cannot be read
    /// has none: it only drives a display.
    pub fn each(&mut self, on_line: &mut dyn FnMut(&str)) {
        let mut new = Vec::new();
        let read = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(self.offset))?;
            file.read_to_end(&mut new)
        });
        let Ok(read) = read else { return };
        self.offset += read as u64;
        self.rest.append(&mut new);
        let Some(end) = self.rest.iter().rposition(|byte| *byte == b'\n') else {
            return;
        };
        let complete: Vec<u8> = self.rest.drain(..=end).collect();
        for line in String::from_utf8_lossy(&complete).lines() {
            on_line(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_come_once_and_only_when_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("x")).unwrap();
        let mut follow = Follow::new(path.clone());
        let mut seen: Vec<String> = Vec::new();
        follow.each(&mut |line| seen.push(line.to_owned()));
        let mut file = File::create(&path).unwrap();
        for part in ["one\ntw", "o", "\nthr", "ee\n"] {
            file.write_all(part.as_bytes()).unwrap();
            follow.each(&mut |line| seen.push(line.to_owned()));
        }
        assert_eq!(seen, ["one", "two", "three"]);
    }
}
