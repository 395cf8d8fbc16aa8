//! `templates/NAME/image.lock`: which image a template is made of, fetched once
//! from the vendor's list of checksums and kept until it is moved.
//!
//! Lists come as `HASH  NAME` or `HASH *NAME` (GNU), or `ALGO (NAME) = HASH`
//! (BSD); the algorithm is known by the length of the hash.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fetch::Fetch;
use crate::base::if_there;
use crate::diag::Exit;
use crate::diag::StepError;
use crate::lab;

/// The algorithm of a pin that a rehearsal made up.
const SIMULATED: &str = "simulated";

/// An image, by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Where it is.
    pub url: String,
    /// `sha256`, `sha512`; `simulated` in a rehearsal, which fetches nothing.
    pub algorithm: String,
    /// Its hash, hex; empty when simulated.
    #[serde(default)]
    pub hash: String,
    /// When the list of checksums was fetched, RFC 3339.
    pub fetched_at: String,
}

impl Pin {
    /// What a rehearsal uses: the simulator takes any download as done.
    pub fn simulated(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            algorithm: SIMULATED.to_owned(),
            hash: String::new(),
            fetched_at: now(),
        }
    }

    /// Whether a rehearsal made it up.
    pub fn is_simulated(&self) -> bool {
        self.algorithm == SIMULATED
    }

    /// `sha512:...`, or `simulated`.
    pub fn checksum(&self) -> String {
        if self.is_simulated() {
            SIMULATED.to_owned()
        } else {
            format!("{}:{}", self.algorithm, self.hash)
        }
    }

    /// A pin from [`Pin::checksum`]; nothing when the text is none.
    pub fn from_checksum(url: &str, checksum: &str, fetched_at: &str) -> Option<Self> {
        let (algorithm, hash) = match checksum.split_once(':') {
            Some((algorithm, hash)) if algorithm_of(hash) == Some(algorithm) => (algorithm, hash),
            None if checksum == SIMULATED => (SIMULATED, ""),
            _ => return None,
        };
        Some(Self {
            url: url.to_owned(),
            algorithm: algorithm.to_owned(),
            hash: hash.to_owned(),
            fetched_at: fetched_at.to_owned(),
        })
    }

    /// Whether this is an image that a definition means by its `url`, which may
    /// hold a `*`.
    pub fn fits(&self, url: &str) -> bool {
        match (self.url.rsplit_once('/'), url.rsplit_once('/')) {
            (Some((folder, name)), Some((wanted, pattern))) => {
                folder == wanted && (name == pattern || matches(pattern, name))
            }
            _ => self.url == url,
        }
    }

    /// What the node is to verify; nothing for a simulated one.
    pub fn for_node(&self) -> Option<(&str, &str)> {
        (!self.is_simulated()).then_some((self.algorithm.as_str(), self.hash.as_str()))
    }

    /// `name` with the first digits of the hash, so that a moved pin is
    /// another file: `debian-13-1a2b3c4d.qcow2`.
    pub fn stored_as(&self, name: &str) -> String {
        let short: String = if self.is_simulated() {
            SIMULATED.to_owned()
        } else {
            self.hash.chars().take(8).collect()
        };
        match name.rsplit_once('.') {
            Some((stem, ending)) => format!("{stem}-{short}.{ending}"),
            None => format!("{name}-{short}"),
        }
    }

    /// The pin in a template's directory, when there is one.
    pub fn read(dir: &Utf8Path) -> Result<Option<Self>, StepError> {
        let path = path(dir);
        let text = if_there(fs::read_to_string(&path));
        let Some(text) = text.map_err(|error| StepError::io("read", &path, &error))? else {
            return Ok(None);
        };
        let wrong = |why: &str| {
            StepError::new(format!("`{path}` is not a pin: {why}"))
                .exit(Exit::Definition)
                .help(format!(
                    "remove it, and the image is looked up again: `rm {path}`"
                ))
        };
        let pin: Self = toml::from_str(&text).map_err(|error| wrong(error.message()))?;
        let sound = pin.is_simulated() || algorithm_of(&pin.hash) == Some(pin.algorithm.as_str());
        if sound {
            Ok(Some(pin))
        } else {
            Err(wrong("its hash does not fit its algorithm"))
        }
    }

    /// Writes it, whole.
    pub fn write(&self, dir: &Utf8Path) -> Result<(), StepError> {
        let body = toml::to_string(self)
            .map_err(|error| StepError::new(format!("cannot write a pin: {error}")))?;
        let text = format!("# Written by hl; `--update-image` moves it.\n{body}");
        Ok(lab::write(&path(dir), text, 0o644)?)
    }

    /// Looks an image up in the vendor's list.
    ///
    /// # Errors
    /// The list cannot be fetched, or does not name the image once.
    pub fn fetch(url: &str, sums_url: &str, fetch: &dyn Fetch) -> Result<Self, StepError> {
        let text = fetch.text(sums_url)?;
        let (folder, pattern) = url.rsplit_once('/').unwrap_or(("", url));
        let mut found: Vec<(String, String)> = sums(&text)
            .filter(|(name, _)| matches(pattern, name))
            .collect();
        found.dedup();
        let (name, hash) = match found.as_slice() {
            [one] => one.clone(),
            [] => {
                return Err(
                    StepError::new(format!("`{sums_url}` does not name `{pattern}`"))
                        .help("open the list in a browser and correct `url` and `sums`"),
                );
            }
            more => {
                let names: Vec<&str> = more.iter().map(|(name, _)| name.as_str()).collect();
                return Err(StepError::new(format!(
                    "`{sums_url}` names `{pattern}` more than once: {}",
                    names.join(", ")
                ))
                .help("make `url` more exact"));
            }
        };
        let algorithm = algorithm_of(&hash).unwrap_or_default().to_owned();
        Ok(Self {
            url: format!("{folder}/{name}"),
            algorithm,
            hash,
            fetched_at: now(),
        })
    }
}

fn path(dir: &Utf8Path) -> Utf8PathBuf {
    dir.join("image.lock")
}

/// RFC 3339, whole seconds, UTC.
pub fn now() -> String {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second())
        .unwrap_or(now)
        .to_string()
}

/// The algorithm that gives hashes of that length.
pub fn algorithm_of(hash: &str) -> Option<&'static str> {
    if !hash.chars().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    match hash.len() {
        64 => Some("sha256"),
        128 => Some("sha512"),
        _ => None,
    }
}

/// Names and hashes of a list; other lines are left out.
fn sums(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    text.lines().filter_map(|line| {
        let (name, hash) = if let Some((left, hash)) = line.split_once(") = ") {
            (left.split_once(" (")?.1, hash.trim())
        } else {
            let (hash, name) = line.split_once(char::is_whitespace)?;
            (name.trim().trim_start_matches('*'), hash)
        };
        let name = name.strip_prefix("./").unwrap_or(name);
        algorithm_of(hash)?;
        Some((name.to_owned(), hash.to_ascii_lowercase()))
    })
}

/// Whether a name fits a pattern whose `*` stand for anything but `/`.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last) && !name.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Text(String);

    impl Fetch for Text {
        fn text(&self, _url: &str) -> Result<String, StepError> {
            Ok(self.0.clone())
        }
    }

    fn hash(c: char, length: usize) -> String {
        std::iter::repeat_n(c, length).collect()
    }

    fn list() -> String {
        format!(
            "# comment\n{a}  debian-13-generic-amd64.qcow2\n{b} *x-1.2-amd64.iso\nSHA256 (bsd.iso) = {c}\n{a}  ./dot.iso\nshort  no.iso\n",
            a = hash('a', 128),
            b = hash('B', 64),
            c = hash('c', 64)
        )
    }

    #[test]
    fn the_image_is_found_in_every_kind_of_list() {
        let pin = |file: &str| {
            Pin::fetch(
                &format!("https://v.example/d/{file}"),
                "https://v.example/d/SUMS",
                &Text(list()),
            )
        };
        let debian = pin("debian-13-generic-amd64.qcow2").unwrap();
        assert_eq!(debian.checksum(), format!("sha512:{}", hash('a', 128)));
        assert_eq!(debian.stored_as("debian.qcow2"), "debian-aaaaaaaa.qcow2");
        let starred = pin("x-*-amd64.iso").unwrap();
        assert_eq!(starred.url, "https://v.example/d/x-1.2-amd64.iso");
        assert_eq!(starred.hash, hash('b', 64));
        assert_eq!(pin("bsd.iso").unwrap().algorithm, "sha256");
        assert_eq!(pin("dot.iso").unwrap().algorithm, "sha512");
        assert!(pin("no.iso").unwrap_err().message.contains("does not name"));
        assert!(pin("*.iso").unwrap_err().message.contains("more than once"));
    }

    #[test]
    fn a_pin_is_read_back_and_a_broken_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        assert_eq!(Pin::read(dir).unwrap(), None);
        let simulated = Pin::simulated("https://x/y");
        simulated.write(dir).unwrap();
        assert_eq!(Pin::read(dir).unwrap(), Some(simulated.clone()));
        assert_eq!(simulated.for_node(), None);
        let text = fs::read_to_string(path(dir)).unwrap();
        fs::write(path(dir), text.replace("simulated", "sha256")).unwrap();
        assert_eq!(Pin::read(dir).unwrap_err().exit, Exit::Definition);
    }

    #[test]
    fn a_checksum_is_a_pin_again() {
        let text = format!("sha256:{}", hash('a', 64));
        let pin = Pin::from_checksum("https://x", &text, "t").unwrap();
        assert_eq!(pin.checksum(), text);
        assert!(
            Pin::from_checksum("https://x", "simulated", "t")
                .unwrap()
                .is_simulated()
        );
        for wrong in ["sha256:aa", "sha512:", "md5:aa", "", "x"] {
            assert_eq!(Pin::from_checksum("https://x", wrong, "t"), None);
        }
    }

    #[test]
    fn a_pin_of_another_place_is_not_meant() {
        let pin = Pin::simulated("https://v/d/x-1.2.iso");
        assert!(pin.fits("https://v/d/x-*.iso") && pin.fits("https://v/d/x-1.2.iso"));
        assert!(!pin.fits("https://v/e/x-*.iso") && !pin.fits("https://v/d/y-*.iso"));
        // A simulated one of a pattern keeps the pattern.
        assert!(Pin::simulated("https://v/d/x-*.iso").fits("https://v/d/x-*.iso"));
    }

    proptest! {
        #[test]
        fn a_star_takes_anything(before in "[a-z]{0,5}", inside in "[a-z0-9.]{0,9}", after in "[a-z]{0,5}") {
            let (pattern, name) = (format!("{before}*{after}"), format!("{before}{inside}{after}"));
            prop_assert!(matches(&pattern, &name));
            prop_assert!(matches(&name, &name));
        }
    }
}
