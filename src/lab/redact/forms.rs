//! The forms in which a secret turns up in what tools write.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::quoting::{self, push_escape};
use crate::base::sanitize;

/// Values shorter than this are not masked: they would tear holes into
/// ordinary words. The user is told about them.
pub(super) const SHORTEST: usize = 4;

/// What RFC 3986 leaves as it is: curl, Go's query, Python's `quote`.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What different programs leave as it is in a URL or a form.
const URL_SETS: &[AsciiSet] = &[
    NON_ALPHANUMERIC.remove(b'-').add(b'-'),
    UNRESERVED,
    // Python's `quote`, which keeps slashes.
    UNRESERVED.remove(b'/'),
    // JavaScript's `encodeURIComponent`.
    UNRESERVED
        .remove(b'!')
        .remove(b'\'')
        .remove(b'(')
        .remove(b')')
        .remove(b'*'),
    // Forms, as browsers and Rust's `url` send them.
    UNRESERVED.remove(b'*').add(b'~'),
    // Go's path segments.
    UNRESERVED
        .remove(b'$')
        .remove(b'&')
        .remove(b'+')
        .remove(b'=')
        .remove(b':')
        .remove(b'@'),
];

/// All texts that give `secret` away: itself and its lines, the secret part of
/// an API token (`user@realm!name=secret`), and their encodings.
pub(super) fn of(secret: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for whole in [Some(secret), token_secret(secret)].into_iter().flatten() {
        for form in [whole, whole.trim()] {
            if is_long(form) {
                encodings(form, &mut forms);
                base64(form.as_bytes(), &mut forms);
            }
        }
        // A secret of many lines is written line by line.
        for line in whole.split(['\n', '\r']).map(str::trim) {
            if is_long(line) {
                encodings(line, &mut forms);
            }
        }
        // The password of a URL is used without its encoding.
        let decoded = percent_decode_str(whole).decode_utf8_lossy();
        if decoded != whole && is_long(&decoded) {
            encodings(&decoded, &mut forms);
            base64(decoded.as_bytes(), &mut forms);
        }
    }
    // What is shown of those that hold what is not shown.
    let shown: Vec<String> = forms.iter().map(|form| sanitize(form)).collect();
    forms.extend(shown.into_iter().filter(|form| is_long(form)));
    forms.sort_unstable();
    forms.dedup();
    forms
}

fn is_long(text: &str) -> bool {
    text.chars().count() >= SHORTEST
}

/// What stands behind `=` in Proxmox's form of an API token.
fn token_secret(text: &str) -> Option<&str> {
    let (id, secret) = text.trim().split_once('=')?;
    (id.contains('!') && !id.contains(char::is_whitespace)).then_some(secret)
}

fn encodings(text: &str, forms: &mut Vec<String>) {
    forms.push(text.to_owned());
    // The others need no quotes and no escapes anywhere.
    if !text
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
    {
        for quoted in quoting::of(text) {
            // A command in a tool's event.
            forms.extend(json(&quoted));
            forms.push(quoted);
        }
        for json in json(text) {
            // JSON within JSON: a tool's log line inside an event.
            forms.extend(self::json(&json));
            forms.push(json);
        }
        forms.extend(quoting::html(text));
    }
    for set in URL_SETS {
        let upper = utf8_percent_encode(text, set).to_string();
        let lower = lower_escapes(&upper);
        for form in [upper, lower] {
            if form.contains("%20") {
                url(form.replace("%20", "+"), forms);
            }
            url(form, forms);
        }
    }
}

/// An encoded text, and the same encoded again, as part of another URL.
fn url(form: String, forms: &mut Vec<String>) {
    if form.contains('%') {
        forms.push(form.replace('%', "%25"));
        forms.push(form.replace('%', "%25").replace('+', "%2B"));
        forms.push(form.replace('%', "%25").replace('+', "%2b"));
    }
    forms.push(form);
}

/// JSON strings as serde, Go (which escapes `<`, `>` and `&`) and Python (which
/// escapes everything that is not ASCII) write them, with and without `\/`.
fn json(text: &str) -> Vec<String> {
    let quoted = serde_json::Value::from(text).to_string();
    let plain = quoted
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(&quoted)
        .to_owned();
    let go = plain
        .replace('&', r"\u0026")
        .replace('<', r"\u003c")
        .replace('>', r"\u003e");
    let python = ascii(&plain);
    // PHP can be told to do both.
    let both = ascii(&go);
    let slashes = plain.replace('/', r"\/");
    vec![plain, go, python, both, slashes]
}

fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                push_escape(&mut out, 'u', 4, u32::from(*unit));
            }
        }
    }
    out
}

/// `%2F` as `%2f`.
fn lower_escapes(text: &str) -> String {
    let mut left = 0;
    text.chars()
        .map(|c| {
            if c == '%' {
                left = 2;
                c
            } else if left > 0 {
                left -= 1;
                c.to_ascii_lowercase()
            } else {
                c
            }
        })
        .collect()
}

/// Base64 of the bytes, also when they stand somewhere inside what was encoded
/// (`user:secret` of basic authentication): the characters that do not depend
/// on what is around them, for each of the three ways they can be aligned.
fn base64(bytes: &[u8], forms: &mut Vec<String>) {
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend_from_slice(bytes);
        let whole = padded.len() * 8 / 6;
        let first = (before * 8).div_ceil(6);
        // Shorter ones would be found in ordinary text.
        if whole - first < 5 + usize::from(before > 0) {
            continue;
        }
        for encoded in [
            STANDARD_NO_PAD.encode(&padded),
            URL_SAFE_NO_PAD.encode(&padded),
        ] {
            forms.push(encoded.chars().skip(first).take(whole - first).collect());
            // At the end of what was encoded the last character is the secret's alone.
            let end: String = encoded.chars().skip(first).collect();
            forms.push(format!("{end}{}", "=".repeat((4 - encoded.len() % 4) % 4)));
            forms.push(end);
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn has(secret: &str, form: &str) -> bool {
        of(secret).iter().any(|f| f == form)
    }

    #[test]
    fn the_forms_that_tools_write_are_known() {
        let secret = "p&ss/w rd\"é";
        for form in [
            secret,
            r#"p&ss/w rd\"é"#,
            r#"p\u0026ss/w rd\"é"#,
            r#"p&ss/w rd\"\u00e9"#,
            r#"p&ss\/w rd\"é"#,
            r#"p&ss/w rd\\\"é"#,
            "p%26ss%2Fw%20rd%22%C3%A9",
            "p%26ss%2fw%20rd%22%c3%a9",
            "p%26ss%2Fw+rd%22%C3%A9",
            "p%26ss/w%20rd%22%C3%A9",
            "p%2526ss%252Fw%2520rd%2522%25C3%25A9",
            "p%2526ss%252fw%2520rd%2522%25c3%25a9",
            "p%2526ss%252Fw%2Brd%2522%25C3%25A9",
            r#"p&ss/w rd"\xe9"#,
            "p&amp;ss/w rd&quot;é",
        ] {
            assert!(has(secret, form), "{form}");
        }
        assert!(has("it's me", r"it'\''s me"));
        // Python's `shlex.quote` in an event of ansible.
        assert!(has("it's me", r#"it'\"'\"'s me"#));
        assert!(has("p%40ss", "p@ss") && has("zero\u{200d}width", "zerowidth"));
    }

    #[test]
    fn base64_is_found_at_any_alignment() {
        let secret = "0b7e-canary+secret/0b7e";
        let forms = of(secret);
        for user in ["", "a", "ab", "abc", "root@pam"] {
            for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                let header = engine.encode(format!("{user}{secret}:rest"));
                assert!(forms.iter().any(|f| header.contains(f)), "{header}");
            }
        }
    }

    #[test]
    fn base64_of_the_secret_alone_is_masked_to_its_end() {
        for secret in ["canary", "canary1", "canary12"] {
            assert!(has(secret, &STANDARD_NO_PAD.encode(secret)), "{secret}");
            assert!(has(secret, &STANDARD.encode(secret)), "{secret}");
            assert!(has(
                secret,
                STANDARD.encode(format!("me:{secret}")).split_at(4).1
            ));
        }
    }

    #[test]
    fn a_token_gives_its_secret_part() {
        assert!(has("hl@pve!hl=1234-5678", "1234-5678"));
        assert!(!has("NAME=1234-5678", "1234-5678"));
    }

    #[test]
    fn lines_count_and_short_ones_do_not() {
        let key = "-----BEGIN-----\n  abcdef\n}\n";
        assert!(has(key, "abcdef") && has(key, "-----BEGIN-----"));
        assert!(of("abc").is_empty() && of(" a \n b ").iter().all(|f| f.len() >= SHORTEST));
    }
}
