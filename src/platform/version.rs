//! Versions of adapters and capabilities: `1.0`, `v1.36.4`, and which ones do.

use semver::{Version, VersionReq};

/// A version; parts that are left out are 0, and a leading `v` says nothing.
pub(super) fn version(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (numbers, rest) = match text.find(['-', '+']) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let parts = numbers.split('.').count();
    let padding = match parts {
        1 => ".0.0",
        2 => ".0",
        _ => "",
    };
    Version::parse(&format!("{numbers}{padding}{rest}")).ok()
}

/// Which versions do: `1.0` stands for all with the same first number that are not
/// older.
pub(super) fn requirement(text: &str) -> Option<VersionReq> {
    VersionReq::parse(text.strip_prefix('v').unwrap_or(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_does_or_does_not() {
        for (wanted, found, does) in [
            ("1.0", "1.0", true),
            ("1.0", "1.2", true),
            ("v1.0", "v9.9", false),
            (">=1.28", "1.36", true),
            (">=1.28", "1.27.9", false),
            ("1", "1.0.0+k3s1", true),
        ] {
            let wanted = requirement(wanted).unwrap();
            assert_eq!(wanted.matches(&version(found).unwrap()), does, "{found}");
        }
        for wrong in ["", "x", "1.x.y", "1..2", "latest"] {
            assert_eq!(version(wrong), None, "{wrong}");
        }
        assert_eq!(requirement("newest"), None);
    }
}
