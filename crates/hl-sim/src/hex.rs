//! Bytes as hexadecimal digits.

/// Lower-case digits, two a byte.
pub(super) fn lower(bytes: &[u8]) -> String {
    let nibble = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [nibble(byte >> 4), nibble(byte & 15)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::lower;

    #[test]
    fn bytes_have_two_digits() {
        assert_eq!(lower(&[0, 10, 255, 0x1f]), "000aff1f");
    }
}
