//! Run ids: `YYYYMMDD-HHMMSS-xxxx` in UTC, so that names sort by time.

use camino::Utf8PathBuf;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::lab::Paths;

/// Bytes of an id.
const LENGTH: usize = 20;

/// Parts of a second that an id tells apart: four hex digits.
const PARTS: i64 = 0x1_0000;

/// Nanoseconds of a second.
const NANOSECONDS: i64 = 1_000_000_000;

/// A new id. Its last four hex digits are the part of the second in which it was
/// made, in steps of 15 µs, so that runs of one second sort by time too.
pub fn new_id() -> String {
    of(Timestamp::now())
}

fn of(time: Timestamp) -> String {
    let time = time.to_zoned(TimeZone::UTC);
    let nanoseconds = i64::from(time.subsec_nanosecond());
    let part = nanoseconds * PARTS / NANOSECONDS;
    format!("{}-{part:04x}", time.strftime("%Y%m%d-%H%M%S"))
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
    fn ids_sort_by_time() {
        let at = |time: &str| of(time.parse().unwrap());
        assert_eq!(at("2026-01-02T03:04:05Z"), "20260102-030405-0000");
        assert_eq!(at("2026-01-02T03:04:05.5Z"), "20260102-030405-8000");
        assert_eq!(at("2026-01-02T03:04:05.999999999Z"), "20260102-030405-ffff");
        assert!(at("2026-01-02T03:04:05.1Z") < at("2026-01-02T03:04:05.10002Z"));
    }

    #[test]
    fn ids_have_their_form() {
        let id = new_id();
        assert!(is_id(&id), "{id}");
        assert!(!is_id("20260101-000000-xyz1") && !is_id("latest"));
        assert!(!is_id("20260101-000000-abcd-1") && !is_id("20260101x000000-abcd"));
        assert!(!is_id("2026010a-000000-abcd") && !is_id("20260101-00000f-abcd"));
    }
}
