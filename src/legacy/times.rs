//! Times as the older tool wrote them: UTC with a `Z`, or local with an offset
//! (`2025-07-24 22:02:10 +08`) or the name of a zone, which is no time to rely
//! on.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The instant that a text names, if it does.
pub(super) fn instant(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let (local, zone) = text.rsplit_once(' ')?;
    let local: DateTime = local.trim().parse().ok()?;
    let offset = offset(zone)?;
    offset.to_timestamp(local).ok()
}

/// As run files have it.
pub(super) fn written(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// `+08`, `-0330`, `+05:30`, `UTC`.
fn offset(zone: &str) -> Option<Offset> {
    if matches!(zone, "UTC" | "GMT" | "Z") {
        return Some(Offset::UTC);
    }
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replace(':', "");
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        2 => (digits.as_str(), "0"),
        4 => digits.split_at_checked(2)?,
        _ => return None,
    };
    let minutes: i32 = hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?;
    Offset::from_seconds(sign * minutes * 60).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("2025-12-05T09:10:02Z", Some("2025-12-05T09:10:02.000Z"))]
    #[case("2025-07-24 22:02:10 +08", Some("2025-07-24T14:02:10.000Z"))]
    #[case("2025-07-24 22:02:10 -0330", Some("2025-07-25T01:32:10.000Z"))]
    #[case("2025-07-24 22:02:10 +05:30", Some("2025-07-24T16:32:10.000Z"))]
    #[case("2025-07-24 22:02:10 UTC", Some("2025-07-24T22:02:10.000Z"))]
    #[case("2025-07-24 22:02:10 PST", None)]
    #[case("2025-07-24 22:02:10 +99", None)]
    #[case("2025-07-24 22:02:10 +é", None)]
    #[case("yesterday", None)]
    #[case("", None)]
    fn every_form(#[case] text: &str, #[case] is: Option<&str>) {
        assert_eq!(instant(text).map(written).as_deref(), is);
    }
}
