//! What a node answers, read as it comes: no more of it than an answer of the
//! API can be, and for no longer than a call may take.

use std::io::{self, Read};
use std::time::{Duration, Instant};

/// The longest answer that is read, in bytes. A thousand machines are listed
/// in a quarter of a megabyte.
pub(super) const MOST: usize = 64 << 20;

/// Why an answer was not read to its end.
#[derive(Debug)]
pub(super) enum Cut {
    /// It is longer than [`MOST`].
    TooLong,
    /// It did not end in time.
    TooSlow,
    /// The connection broke.
    Broken(io::Error),
}

/// Reads to the end; one that says itself that it is too long is not begun.
pub(super) fn read(
    mut from: impl Read,
    declared: Option<u64>,
    within: Duration,
) -> Result<Vec<u8>, Cut> {
    if declared.is_some_and(|length| length > MOST as u64) {
        return Err(Cut::TooLong);
    }
    let until = Instant::now() + within;
    let mut body = Vec::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(body),
            Ok(count) if body.len() + count > MOST => return Err(Cut::TooLong),
            Ok(count) => body.extend(piece.iter().take(count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Cut::Broken(error)),
        }
        if Instant::now() >= until {
            return Err(Cut::TooSlow);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    #[test]
    fn an_answer_is_whole_or_an_error() {
        let whole = read(io::repeat(b'x').take(MOST as u64), None, LONG).unwrap();
        assert_eq!(whole.len(), MOST);
        let longer = read(io::repeat(b'x').take(MOST as u64 + 1), None, LONG);
        assert!(matches!(longer, Err(Cut::TooLong)));
        let endless = read(io::repeat(b'x'), None, Duration::ZERO);
        assert!(matches!(endless, Err(Cut::TooSlow)));
        let declared = read(io::empty(), Some(MOST as u64 + 1), LONG);
        assert!(matches!(declared, Err(Cut::TooLong)));
    }
}
