//! Plain scalars: what they are by the core schema of YAML 1.2, and where 1.1,
//! as `PyYAML` reads it, would have seen something else.

use serde_json::Number;

use crate::shape::Value;

/// A plain scalar's value. `Err`: a number that JSON cannot hold.
pub(super) fn resolve(text: &str) -> Result<Value, &'static str> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        _ => {}
    }
    let Some(number) = numeric(text) else {
        return Ok(Value::Text(text.to_owned()));
    };
    number.map(Value::Number)
}

/// A number of the core schema; nothing when it is text.
fn numeric(text: &str) -> Option<Result<Number, &'static str>> {
    const TOO_LARGE: &str = "a number that is too large";
    let first = text.bytes().next()?;
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-' | b'.')) {
        return None;
    }
    let prefixed = |prefix: &str, radix: u32| {
        let digits = text.strip_prefix(prefix)?;
        let valid = !digits.is_empty() && digits.chars().all(|c| c.is_digit(radix));
        valid.then(|| {
            u64::from_str_radix(digits, radix)
                .map(Number::from)
                .map_err(|_| TOO_LARGE)
        })
    };
    if let Some(number) = prefixed("0o", 8).or_else(|| prefixed("0x", 16)) {
        return Some(number);
    }
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !body.is_empty() && body.bytes().all(|b| b.is_ascii_digit()) {
        let plain = text.strip_prefix('+').unwrap_or(text);
        return Some(
            plain
                .parse::<i64>()
                .map(Number::from)
                .or_else(|_| plain.parse::<u64>().map(Number::from))
                .map_err(|_| TOO_LARGE),
        );
    }
    if matches!(body, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Err("not a number that can be written down"));
    }
    is_float(body).then(|| {
        let number = text.parse::<f64>().ok().and_then(Number::from_f64);
        number.ok_or(TOO_LARGE)
    })
}

/// `[0-9]+(\.[0-9]*)?` or `\.[0-9]+`, with an exponent or without.
fn is_float(body: &str) -> bool {
    let (mantissa, exponent) = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (body, None),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty()) && exponent
}

/// What YAML 1.1 would have read in a plain scalar, where that is something
/// else than 1.2 reads.
pub(super) fn legacy(text: &str) -> Option<String> {
    let first = text.bytes().next()?;
    match first {
        b'y' | b'Y' | b'n' | b'N' | b'o' | b'O' => {
            let value = match text {
                "yes" | "Yes" | "YES" | "on" | "On" | "ON" => "true",
                "no" | "No" | "NO" | "off" | "Off" | "OFF" => "false",
                _ => return None,
            };
            Some(value.to_owned())
        }
        b'0'..=b'9' | b'+' | b'-' | b'.' => legacy_number(text),
        _ => None,
    }
}

fn legacy_number(text: &str) -> Option<String> {
    // Most numbers, and every address with a prefix, are beyond doubt.
    let plain = !text.starts_with('0') && text.len() < 18;
    if text.contains('/') || (plain && text.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let now = resolve(text).ok()?;
    let (sign, body) = match text.strip_prefix('-') {
        Some(body) => ("-", body),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    if is_date(text) {
        return Some("a date".to_owned());
    }
    let then = legacy_integer(body).map(|number| format!("{sign}{number}"));
    match (&now, then) {
        (Value::Number(now), Some(then)) if now.to_string() == then || then == "-0" => None,
        (_, Some(then)) => Some(format!("the number {then}")),
        (Value::Text(_), None) if legacy_float(body) => Some("a number".to_owned()),
        // An exponent wants a sign and its mantissa a point; `08` is no octal.
        (Value::Number(now), None) if !(now.is_f64() && legacy_float(body)) => {
            Some(format!("the text `{text}`"))
        }
        _ => None,
    }
}

fn legacy_integer(body: &str) -> Option<i128> {
    if !body.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if body.contains(':') {
        return sexagesimal(body);
    }
    let plain: String = body.chars().filter(|c| *c != '_').collect();
    if let Some(digits) = plain.strip_prefix("0b") {
        return i128::from_str_radix(digits, 2).ok();
    }
    if let Some(digits) = plain.strip_prefix("0x") {
        return i128::from_str_radix(digits, 16).ok();
    }
    if !plain.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    if body.len() > 1 && body.starts_with('0') {
        return i128::from_str_radix(&plain, 8).ok();
    }
    plain.parse().ok()
}

/// `12:30` is 12 * 60 + 30.
fn sexagesimal(body: &str) -> Option<i128> {
    let mut parts = body.split(':');
    let first = parts.next()?;
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let plain: String = first.chars().filter(|c| *c != '_').collect();
    if !digits(&plain) || first.starts_with('0') {
        return None;
    }
    let mut value: i128 = plain.parse().ok()?;
    for part in parts {
        if !digits(part) || part.len() > 2 {
            return None;
        }
        let part: i128 = part.parse().ok().filter(|part| *part < 60)?;
        value = value.checked_mul(60)?.checked_add(part)?;
    }
    Some(value)
}

fn legacy_float(body: &str) -> bool {
    let mantissa = match body.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']);
            if !digits.is_some_and(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit())) {
                return false;
            }
            mantissa
        }
        None => body,
    };
    let Some((whole, part)) = mantissa.split_once('.') else {
        return false;
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let whole_ok = digits(whole) || sexagesimal(whole).is_some();
    let begins = whole.starts_with(|c: char| c.is_ascii_digit())
        || (whole.is_empty() && part.starts_with(|c: char| c.is_ascii_digit()));
    whole_ok && digits(part) && begins
}

/// `2026-11-21`, with a time behind it or without.
fn is_date(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let digits = |part: &str, low, high| {
        (low..=high).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
    };
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let day = rest.split(['T', 't', ' ']).next().unwrap_or(rest);
    let timed = day.len() < rest.len();
    let width = if timed { 1 } else { 2 };
    digits(year, 4, 4) && digits(month, width, 2) && digits(day, width, 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn shown(text: &str) -> String {
        match resolve(text) {
            Ok(Value::Null) => "null".to_owned(),
            Ok(Value::Bool(value)) => value.to_string(),
            Ok(Value::Number(number)) => number.to_string(),
            Ok(Value::Text(text)) => format!("'{text}'"),
            Ok(Value::List(_) | Value::Map(_)) => unreachable!(),
            Err(why) => why.to_owned(),
        }
    }

    #[rstest]
    // What both read alike.
    #[case("", "null", None)]
    #[case("~", "null", None)]
    #[case("true", "true", None)]
    #[case("False", "false", None)]
    #[case("42", "42", None)]
    #[case("-7", "-7", None)]
    #[case("+7", "7", None)]
    #[case("0", "0", None)]
    #[case("-0", "0", None)]
    #[case("0x1F", "31", None)]
    #[case("1.5", "1.5", None)]
    #[case(".5", "0.5", None)]
    #[case("1.5e+3", "1500.0", None)]
    #[case("y", "'y'", None)]
    #[case("n", "'n'", None)]
    #[case("nano", "'nano'", None)]
    #[case("1.2.3", "'1.2.3'", None)]
    #[case("192.0.2.1", "'192.0.2.1'", None)]
    #[case("192.0.2.1/24", "'192.0.2.1/24'", None)]
    #[case("10G", "'10G'", None)]
    #[case("-", "'-'", None)]
    #[case("aa:bb", "'aa:bb'", None)]
    // What they do not.
    #[case("yes", "'yes'", Some("true"))]
    #[case("NO", "'NO'", Some("false"))]
    #[case("on", "'on'", Some("true"))]
    #[case("Off", "'Off'", Some("false"))]
    #[case("0644", "644", Some("the number 420"))]
    #[case("08", "8", Some("the text `08`"))]
    #[case("12:30", "'12:30'", Some("the number 750"))]
    #[case("1:02:03", "'1:02:03'", Some("the number 3723"))]
    #[case("1_000", "'1_000'", Some("the number 1000"))]
    #[case("0b101", "'0b101'", Some("the number 5"))]
    #[case("0o17", "15", Some("the text `0o17`"))]
    #[case("1e3", "1000.0", Some("the text `1e3`"))]
    #[case("1.5e3", "1500.0", Some("the text `1.5e3`"))]
    #[case("1_0.5", "'1_0.5'", Some("a number"))]
    #[case("2026-11-21", "'2026-11-21'", Some("a date"))]
    #[case("2026-1-2 10:00:00", "'2026-1-2 10:00:00'", Some("a date"))]
    fn versions_differ_where_it_is_said(
        #[case] text: &str,
        #[case] now: &str,
        #[case] then: Option<&str>,
    ) {
        assert_eq!(shown(text), now);
        assert_eq!(legacy(text).as_deref(), then);
    }

    #[test]
    fn numbers_without_bounds_are_refused() {
        for text in [".inf", "-.Inf", ".nan", "18446744073709551616", "1e999"] {
            assert!(resolve(text).is_err(), "{text}");
        }
        assert_eq!(shown("18446744073709551615"), "18446744073709551615");
    }

    proptest! {
        #[test]
        fn no_scalar_panics(text in "\\PC{0,12}") {
            drop(resolve(&text));
            drop(legacy(&text));
        }

        #[test]
        fn numeric_text_never_panics(text in "[-+.0-9_:exobET ]{0,14}") {
            drop(resolve(&text));
            drop(legacy(&text));
        }

        #[test]
        fn plain_integers_are_the_same_in_both(number: i64) {
            prop_assert_eq!(shown(&number.to_string()), number.to_string());
            prop_assert_eq!(legacy(&number.to_string()), None);
        }
    }
}
