//! Bytes as people read them.

/// `4.0 KiB`
pub(super) fn size(bytes: u64) -> String {
    let mut value = bytes;
    let mut rest = 0;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if value < 1024 || unit == "GiB" {
            return if unit == "B" {
                format!("{value} B")
            } else {
                format!("{value}.{} {unit}", rest * 10 / 1024)
            };
        }
        rest = value % 1024;
        value /= 1024;
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_unit_that_fits() {
        let said = [0, 1023, 1024, 1536, 5 << 20, 3 << 40].map(size);
        let wanted = [
            "0 B",
            "1023 B",
            "1.0 KiB",
            "1.5 KiB",
            "5.0 MiB",
            "3072.0 GiB",
        ];
        assert_eq!(said, wanted);
    }
}
