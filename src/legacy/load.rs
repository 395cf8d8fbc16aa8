//! A file's text as a tree, or why not. Nothing of a file's text is in a
//! reason: it may be a key.

use std::fs;
use std::fs::File;
use std::io::Read;

use camino::Utf8Path;
use serde_json::Value;
use serde_saphyr::DuplicateKeyPolicy;

/// More than any of them ever was.
const LARGEST: u64 = 16 * 1024 * 1024;

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Loaded {
    /// The text, as far as it is one.
    pub(super) text: String,
    /// The tree; none when it could not be read.
    pub(super) tree: Option<Value>,
    /// What is wrong with it.
    pub(super) wrong: Option<String>,
}

impl Loaded {
    fn broken(text: String, why: impl Into<String>) -> Self {
        Self {
            text,
            tree: None,
            wrong: Some(why.into()),
        }
    }
}

/// Reads a file. `torn_end`: a list whose last item is torn is read without it.
pub(super) fn load(path: &Utf8Path, torn_end: bool) -> Loaded {
    let bytes = match bytes(path) {
        Ok(bytes) => bytes,
        Err(why) => return Loaded::broken(String::new(), why),
    };
    match String::from_utf8(bytes) {
        Ok(text) => parse(text, torn_end),
        Err(error) => {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            Loaded::broken(text, "is not text")
        }
    }
}

fn bytes(path: &Utf8Path) -> Result<Vec<u8>, String> {
    let meta = fs::metadata(path).map_err(|error| {
        if path.is_symlink() {
            return "is a link that leads nowhere".to_owned();
        }
        format!("cannot be read: {}", error.kind())
    })?;
    if meta.is_dir() {
        return Err("is a directory".to_owned());
    }
    // A pipe would never end, a device might not.
    if !meta.is_file() {
        return Err("is no file".to_owned());
    }
    if meta.len() > LARGEST {
        return Err("is larger than such a file ever was".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {}", error.kind()))?;
    Ok(bytes)
}

fn parse(text: String, torn_end: bool) -> Loaded {
    match tree(&text) {
        Ok(tree) => Loaded {
            wrong: (!tree.is_object()).then(|| "holds no settings".to_owned()),
            tree: Some(tree),
            text,
        },
        Err(line) => {
            let place = line.map_or_else(String::new, |line| format!(", from line {line}"));
            let cut = torn_end.then(|| without_last_item(&text)).flatten();
            if let Some(tree) = cut.and_then(|text| tree(text).ok()) {
                return Loaded {
                    tree: Some(tree),
                    wrong: Some("ends in the middle of an event, which is left out".to_owned()),
                    text,
                };
            }
            Loaded::broken(text, format!("is not valid YAML{place}"))
        }
    }
}

/// The tree, or the line of the first mistake. A duplicate key has its
/// last value, as it had for the tool that read it.
fn tree(text: &str) -> Result<Value, Option<u64>> {
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    serde_saphyr::from_str_with_options::<Option<Value>>(text, options)
        .map(Option::unwrap_or_default)
        .map_err(|error| error.location().map(|location| location.line()))
}

fn without_last_item(text: &str) -> Option<&str> {
    let mut start = text.len();
    for line in text.split_inclusive('\n').rev() {
        start -= line.len();
        if line.trim_start().starts_with("- ") {
            return text.get(..start);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn read(bytes: &[u8], torn_end: bool) -> Loaded {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("f");
        fs::write(&path, bytes).unwrap();
        load(&path, torn_end)
    }

    #[rstest]
    #[case(b"a: \"1\r\n", "is not valid YAML")]
    #[case(b"a: {b: 1", "is not valid YAML")]
    #[case(b"\xff\xfe\x00\x01", "is not text")]
    #[case(b"- 1\n- 2\n", "holds no settings")]
    #[case(b"", "holds no settings")]
    fn what_is_wrong_is_said_without_the_text(#[case] bytes: &[u8], #[case] why: &str) {
        let loaded = read(bytes, false);
        assert!(loaded.wrong.unwrap().starts_with(why));
    }

    #[test]
    fn carriage_returns_and_double_keys_are_read() {
        let loaded = read(b"\xef\xbb\xbfa: 1\r\na: 2\r\nb: +08\r\n", false);
        assert_eq!(loaded.wrong, None);
        assert_eq!(loaded.tree.unwrap()["a"], 2);
    }

    #[test]
    fn a_torn_last_event_is_left_out() {
        let text = b"events:\n  - action: one\n  - action: 'tw";
        let loaded = read(text, true);
        assert_eq!(loaded.tree.unwrap()["events"][0]["action"], "one");
        assert!(loaded.wrong.unwrap().contains("left out"));
        assert_eq!(read(text, false).tree, None);
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path()).unwrap().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, path.as_std_path(), rustix::fs::Mode::RUSR).unwrap();
        assert_eq!(load(&path, true).wrong.unwrap(), "is no file");
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        assert_eq!(load(dir, true).wrong.unwrap(), "is a directory");
    }
}
