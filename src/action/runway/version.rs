//! Versions as tools print them.

use std::fmt;

/// The numbers of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version(Vec<u32>);

impl Version {
    /// The first thing in a text that looks like `1.2` or `1.2.3`, whatever
    /// stands before and after it.
    pub(super) fn find(text: &str) -> Option<Self> {
        text.split(|c: char| !(c.is_ascii_digit() || c == '.'))
            .find_map(|word| {
                let numbers: Option<Vec<u32>> = word
                    .trim_matches('.')
                    .split('.')
                    .map(|part| part.parse().ok())
                    .collect();
                numbers.filter(|n| n.len() >= 2).map(Self)
            })
    }

    /// Whether it is that version or a later one.
    pub(super) fn at_least(&self, wanted: &Self) -> bool {
        let length = self.0.len().max(wanted.0.len());
        let padded = |version: &Self| -> Vec<u32> {
            let mut numbers = version.0.clone();
            numbers.resize(length, 0);
            numbers
        };
        padded(self) >= padded(wanted)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(u32::to_string).collect();
        f.write_str(&parts.join("."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case("OpenTofu v1.12.6\non linux_amd64", "1.12.6")]
    #[case("Terraform v1.11.4\non linux_amd64\n", "1.11.4")]
    #[case("Packer v1.15.0", "1.15.0")]
    #[case("ansible-playbook [core 2.19.14]\n  config file = None", "2.19.14")]
    #[case("OpenSSH_9.2p1 Debian-2+deb12u7, OpenSSL 3.0.17", "9.2")]
    #[case("git version 2.39.5", "2.39.5")]
    #[case("v3.66.2", "3.66.2")]
    fn as_tools_print_them(#[case] text: &str, #[case] version: &str) {
        assert_eq!(Version::find(text).unwrap().to_string(), version);
    }

    #[test]
    fn no_version_is_none() {
        assert_eq!(Version::find("usage: x [-v] 3 files."), None);
    }

    proptest! {
        #[test]
        fn order_is_by_number(a in prop::collection::vec(0u32..30, 2..4), b in prop::collection::vec(0u32..30, 2..4)) {
            let (x, y) = (Version(a.clone()), Version(b.clone()));
            prop_assert!(x.at_least(&y) || y.at_least(&x));
            let mut later = a;
            later[1] += 1;
            prop_assert!(Version(later.clone()).at_least(&x));
            prop_assert!(!x.at_least(&Version(later)));
        }
    }
}
