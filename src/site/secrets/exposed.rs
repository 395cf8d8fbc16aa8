//! Whether a file of secrets shows any: for those who give files away.

use super::envelope::{Form, has_clear_values};
use super::vault::PLAIN;
use crate::diag::{Failure, Source};
use crate::site::yaml::Document;

/// Whether the content of a file of secrets lets anybody read a secret: it is not
/// encrypted, or not as a whole. One that cannot be read counts as such.
pub fn is_exposed(content: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(content) else {
        return true;
    };
    let Ok(document) = Document::parse_secret(Source::new(PLAIN, text)) else {
        return !text.trim().is_empty();
    };
    match Form::of(&document) {
        Form::Plain => has_clear_values(&document),
        Form::Encrypted(envelope) => envelope.clear_secrets().next().is_some(),
        // Encrypted values are in it; what else is, nobody says.
        Form::Damaged(_) => true,
    }
}

/// The line of the first encrypted value, or of the section that tells who can open
/// the file; none of a file in the clear.
///
/// # Errors
/// It is not YAML (65).
pub fn sealed_line(source: &Source) -> Result<Option<usize>, Failure> {
    let document = Document::parse_secret(source.clone())?;
    let at = match Form::of(&document) {
        Form::Plain => return Ok(None),
        Form::Encrypted(envelope) => envelope.section,
        Form::Damaged(at) => at,
    };
    let (line, _) = source.at(at, "").line_column();
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED: &str = "ENC[AES256_GCM,data:x,iv:x,tag:x,type:str]";

    #[test]
    fn clear_text_is_exposed_and_empty_or_encrypted_files_are_not() {
        let sealed = |more: &str| {
            format!(
                "auth:\n    site_token: {SEALED}\n{more}sops:\n    mac: {SEALED}\n    version: 3.9.0\n"
            )
        };
        for text in [
            "auth: {site_token: x}\n",
            "passwords:\n  vm_root: x\n",
            "{\"a\": \"b\"}",
            ": : not yaml [",
            "just words",
            &sealed("passwords:\n    vm_root: clear\n"),
            &format!("auth:\n    site_token: {SEALED}\n"),
        ] {
            assert!(is_exposed(text.as_bytes()), "{text}");
        }
        let line = |text: &str| sealed_line(&Source::new(PLAIN, text)).unwrap();
        assert_eq!(line("auth: {site_token: x}\n"), None);
        assert_eq!(line(&sealed("")), Some(3));
        assert_eq!(line(&format!("auth:\n    site_token: {SEALED}\n")), Some(2));
        assert!(is_exposed(b"\xff\xfe"));
        for text in [
            "",
            "# nothing yet\n",
            "api_tokens: {}\npasswords:\n",
            &sealed(""),
            &sealed("ssh_keys:\n    a@b: ssh-ed25519 AAAA\n"),
        ] {
            assert!(!is_exposed(text.as_bytes()), "{text}");
        }
    }
}
