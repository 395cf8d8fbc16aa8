//! Paths and values that carry the user's text.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stays as it is: RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Percent-encodes everything that may not stand in one segment of a path;
/// also what Proxmox wants `sshkeys` to be before it goes into a form.
pub fn percent_encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volids_and_keys() {
        assert_eq!(
            percent_encode("local:iso/a b.iso"),
            "local%3Aiso%2Fa%20b.iso"
        );
        assert_eq!(
            percent_encode("ssh-ed25519 AA+/ x@y\n"),
            "ssh-ed25519%20AA%2B%2F%20x%40y%0A"
        );
    }
}
