//! Keys with numbers, and the buses that drives are on.

/// Splits `net12` into `net` and 12.
pub(super) fn numbered(key: &str) -> Option<(&str, u32)> {
    let name = key.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = key.strip_prefix(name)?;
    if digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    Some((name, digits.parse().ok()?))
}

/// Where a drive's key stands in the order of the buses.
pub(super) fn bus(key: &str) -> Option<(usize, u32)> {
    let (name, number) = numbered(key)?;
    let buses = [
        ("ide", 4),
        ("scsi", 31),
        ("virtio", 16),
        ("sata", 6),
        ("efidisk", 1),
        ("tpmstate", 1),
    ];
    let place = buses
        .iter()
        .position(|(bus, limit)| *bus == name && number < *limit)?;
    Some((place, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_numbers() {
        assert_eq!(numbered("net12"), Some(("net", 12)));
        assert_eq!(numbered("net"), None);
        assert_eq!(numbered("net01"), None);
    }
}
