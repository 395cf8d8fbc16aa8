//! Disk sizes as Proxmox VE writes them.

const UNITS: [(char, u64); 4] = [
    ('T', 1 << 40),
    ('G', 1 << 30),
    ('M', 1 << 20),
    ('K', 1 << 10),
];

/// Reads `8G`, `512M`, `1.5T` or plain bytes.
pub fn parse(text: &str) -> Option<u64> {
    let unit = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(*unit)?, *factor)));
    let (number, factor) = unit.unwrap_or((text, 1));
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || part.len() > 9 {
        return None;
    }
    if number.contains('.') && part.is_empty() {
        return None;
    }
    let digits = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return None;
    }
    let bytes = whole.parse::<u64>().ok()?.checked_mul(factor)?;
    let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let part = part.parse::<u128>().unwrap_or(0) * u128::from(factor) / scale;
    bytes.checked_add(u64::try_from(part).ok()?)
}

/// The largest unit that divides it: `10G`, `3584M`, plain bytes at last.
pub(super) fn print(bytes: u64) -> String {
    let unit = UNITS
        .iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    match unit {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_printed_is_read(bytes: u64) {
            proptest::prop_assert_eq!(parse(&print(bytes)), Some(bytes));
        }

        #[test]
        fn no_text_is_too_odd(text: String) {
            parse(&text);
        }
    }

    #[test]
    fn sizes_round_trip() {
        for text in ["10G", "3584M", "4M", "1T", "513", "2K"] {
            assert_eq!(print(parse(text).unwrap()), text);
        }
        assert_eq!(parse("1.5G"), Some((3 << 30) / 2));
        assert_eq!(parse("3221225472"), Some(3 << 30));
        for text in ["", "G", "1.G", ".5G", "1,5G", "-1G", "1GiB", "99999999T"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
