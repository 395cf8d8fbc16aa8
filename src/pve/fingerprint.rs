//! SHA-256 fingerprints of certificates, as Proxmox VE shows them.

use std::fmt;

use sha2::{Digest, Sha256};

/// SHA-256 of a certificate's DER form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The fingerprint of a certificate in DER form.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// Reads 64 hexadecimal digits, in any case, with or without colons or
    /// spaces. `None` when it is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let mut digits = text
            .chars()
            .filter(|c| *c != ':' && !c.is_whitespace())
            .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()));
        for byte in &mut bytes {
            *byte = digits.next()?? << 4 | digits.next()??;
        }
        digits.next().is_none().then_some(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    /// Upper case with colons, as the web interface and `pvenode` print it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_spelling_is_the_same(bytes: [u8; 32]) {
            let print = Fingerprint(bytes);
            let text = print.to_string();
            for spelling in [text.clone(), text.to_lowercase(), text.replace(':', "")] {
                prop_assert_eq!(Fingerprint::parse(&spelling), Some(print));
            }
        }
    }

    #[test]
    fn other_lengths_and_letters_are_refused() {
        let good = Fingerprint::of(b"x").to_string();
        assert!(Fingerprint::parse(&format!("{good}:00")).is_none());
        assert!(Fingerprint::parse(good.trim_end_matches(char::is_alphanumeric)).is_none());
        assert!(Fingerprint::parse(&good.replacen(|_| true, "G", 1)).is_none());
    }
}
