//! Run ids: `YYYYMMDD-HHMMSS-xxxx` in UTC, so that names sort by time.

use camino::Utf8PathBuf;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::lab::Paths;

/// Bytes of an id.
const LENGTH: usize = 20;

/// A new id. Two runs of one second differ in their last four hex digits.
pub fn new_id() -> String {
    let mut random = [0; 2];
    // Without randomness the process id tells two runs of a second apart.
    if getrandom(&mut random, GetRandomFlags::empty()).is_err() {
        let [.., a, b] = std::process::id().to_be_bytes();
        random = [a, b];
    }
    let now = Timestamp::now().to_zoned(TimeZone::UTC);
    let stamp = now.strftime("%Y%m%d-%H%M%S");
    format!("{stamp}-{:04x}", u16::from_be_bytes(random))
}

/// Whether a text has the form of an id.
pub fn is_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = |part: Option<&[u8]>| part.is_some_and(|part| part.iter().all(u8::is_ascii_digit));
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    bytes.len() == LENGTH
        && bytes.get(8) == Some(&b'-')
        && bytes.get(15) == Some(&b'-')
        && digits(bytes.get(..8))
        && digits(bytes.get(9..15))
        && bytes.iter().skip(16).all(hex)
}

/// The last part of an id: four hex digits.
pub(super) fn tail(id: &str) -> &str {
    id.get(id.len().saturating_sub(4)..).unwrap_or(id)
}

/// Where the file of a run is, or will be.
pub(super) fn file_of(paths: &Paths, id: &str) -> Utf8PathBuf {
    paths.runs().join(format!("{id}.yaml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_form() {
        let id = new_id();
        assert!(is_id(&id), "{id}");
        assert!(!is_id("20260101-000000-xyz1") && !is_id("latest"));
        assert!(!is_id("20260101-000000-abcd-1") && !is_id("20260101x000000-abcd"));
        assert!(!is_id("2026010a-000000-abcd") && !is_id("20260101-00000f-abcd"));
    }
}
