//! One object is looked through in pieces, so that its size does not matter.

use std::io::{self, Read};

use super::rules::{Mark, Rules};

/// How much is read at once.
const PIECE: u64 = 1 << 20;
/// How much of a piece is looked at again with the next one: longer than any secret
/// and what stands around a mark.
const AGAIN: usize = 64 << 10;
/// Keys have lines of 64 characters and more; what is shorter is an example.
const KEY: usize = 40;

/// A secret that must not be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Secret {
    /// A value that is kept secret.
    Value,
    /// A private key: PEM, OpenSSH, PGP or `PuTTY`.
    PrivateKey,
    /// A private key of age.
    AgeKey,
    /// A state of OpenTofu with sensitive values.
    State,
    /// A file of secrets in clear text.
    File,
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing was found.
    Clean,
    /// This was found.
    Holds(Secret),
    /// It may be a state of OpenTofu, which is to be read as a whole.
    MayBeState,
}

/// Looks through an object to its end.
///
/// # Errors
/// It cannot be read.
pub(super) fn look(rules: &Rules, mut object: impl Read) -> io::Result<Look> {
    let mut piece = Vec::new();
    let (mut version, mut lineage) = (false, false);
    loop {
        let old = piece.len().saturating_sub(AGAIN);
        piece.drain(..old);
        if object.by_ref().take(PIECE).read_to_end(&mut piece)? == 0 {
            break;
        }
        if rules.knows(&piece) {
            return Ok(Look::Holds(Secret::Value));
        }
        for (mark, start, end) in rules.marks(&piece) {
            let (before, behind) = (
                piece.get(..start).unwrap_or_default(),
                piece.get(end..).unwrap_or_default(),
            );
            match mark {
                Mark::Pem if begins(before) && has_key(behind) => {
                    return Ok(Look::Holds(Secret::PrivateKey));
                }
                Mark::Putty if has_key(behind) => {
                    return Ok(Look::Holds(Secret::PrivateKey));
                }
                Mark::Age if is_age(behind) => return Ok(Look::Holds(Secret::AgeKey)),
                Mark::Version => version = true,
                Mark::Lineage => lineage = true,
                Mark::Pem | Mark::Putty | Mark::Age => {}
            }
        }
    }
    Ok(if version && lineage {
        Look::MayBeState
    } else {
        Look::Clean
    })
}

/// Whether `-----BEGIN RSA ` or the like stands right before.
fn begins(before: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN ";
    let near = before.len().saturating_sub(48);
    let near = before.get(near..).unwrap_or_default();
    let at = near.windows(BEGIN.len()).rposition(|part| part == BEGIN);
    let kind = at.and_then(|at| near.get(at + BEGIN.len()..));
    kind.is_some_and(|kind| {
        kind.iter()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ')
    })
}

/// Whether a line of base64 follows, behind what headers there may be.
fn has_key(behind: &[u8]) -> bool {
    let near = behind.get(..1024).unwrap_or(behind);
    let of_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    near.split(|byte| !of_key(byte)).any(|run| run.len() >= KEY)
}

/// Whether what follows makes it an age key, of either form.
fn is_age(behind: &[u8]) -> bool {
    let behind = behind.strip_prefix(b"PQ-").unwrap_or(behind);
    let key = behind.strip_prefix(b"1").unwrap_or_default();
    let of_key = |byte: &&u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    key.iter().take_while(of_key).count() >= KEY
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: &str = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW";

    fn looked(bytes: &[u8]) -> Look {
        let rules = Rules::new(["hunter-2222"].into_iter()).unwrap();
        look(&rules, bytes).unwrap()
    }

    fn key(kind: &str, between: &str) -> String {
        format!("-----BEGIN {kind}-----{between}{LINE}\n")
    }

    #[test]
    fn private_keys_are_found_in_every_dress() {
        let pgp = key("PGP PRIVATE KEY BLOCK", "\n\n");
        let encrypted = key(
            "RSA PRIVATE KEY",
            "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n",
        );
        for text in [
            key("OPENSSH PRIVATE KEY", "\n"),
            key("PRIVATE KEY", "\r\n"),
            key("EC PRIVATE KEY", "\n    "),
            key("RSA PRIVATE KEY", "\\n"),
            format!("{}{encrypted}", "x".repeat(2 << 20)),
            pgp,
            format!(
                "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\nComment: x\nPublic-Lines: 2\n{LINE}\n"
            ),
        ] {
            assert_eq!(looked(text.as_bytes()), Look::Holds(Secret::PrivateKey));
        }
    }

    #[test]
    fn what_only_speaks_of_keys_is_clean() {
        for text in [
            "if text.contains(\"-----BEGIN OPENSSH PRIVATE KEY-----\") {\n    return Err(wrong);\n}\n".to_owned(),
            "-----BEGIN RSA PRIVATE KEY-----\n...\n-----END RSA PRIVATE KEY-----\n".to_owned(),
            key("CERTIFICATE", "\n"),
            key("PUBLIC KEY", "\n"),
            format!("-----END RSA PRIVATE KEY-----\n{LINE}"),
            "AGE-SECRET-KEY-1... is a key of age".to_owned(),
            "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p".to_owned(),
            String::new(),
        ] {
            assert_eq!(looked(text.as_bytes()), Look::Clean, "{text}");
        }
    }

    #[test]
    fn age_keys_and_states_are_found() {
        let tail = "Q".repeat(58);
        for start in ["AGE-SECRET-KEY-1", "AGE-SECRET-KEY-PQ-1"] {
            let text = format!("# key\n{start}{tail}\n");
            assert_eq!(looked(text.as_bytes()), Look::Holds(Secret::AgeKey));
        }
        let state = b"{\"version\": 4, \"terraform_version\": \"1.9\", \"lineage\": \"x\"}";
        assert_eq!(looked(state), Look::MayBeState);
        assert_eq!(looked(b"the \"lineage\" of a state"), Look::Clean);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Wherever it stands, also across the border of two pieces.
        #[test]
        fn a_value_is_found_wherever_it_stands(
            before in prop_oneof![0..100_usize, (1_usize << 20) - 20..(1 << 20) + 20],
            behind in 0..2000_usize,
        ) {
            let mut bytes = vec![b'x'; before];
            bytes.extend(b"hunter-2222");
            bytes.resize(bytes.len() + behind, b'y');
            prop_assert_eq!(looked(&bytes), Look::Holds(Secret::Value));
            let cut = bytes.get(..before + 10).unwrap();
            prop_assert_eq!(looked(cut), Look::Clean);
        }
    }
}
