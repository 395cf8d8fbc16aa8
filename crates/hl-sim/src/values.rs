//! Values that the configs of both kinds of guests have.

use std::collections::BTreeSet;

use super::params::parts;

/// Tags as a config holds them: small letters, each once, with semicolons between.
pub(super) fn tags(text: &str) -> Result<String, String> {
    let given = parts(text);
    if !given.iter().all(|tag| is_tag(tag)) {
        return Err("invalid characters in tag".to_owned());
    }
    let mut seen = BTreeSet::new();
    let tags: Vec<String> = given
        .into_iter()
        .map(str::to_lowercase)
        .filter(|tag| seen.insert(tag.clone()))
        .collect();
    Ok(tags.join(";"))
}

fn is_tag(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '+' | '.'))
}

/// Public keys for SSH, one a line.
pub(super) fn ssh_keys(text: &str) -> Result<(), String> {
    let odd = |line: &str| !line.is_empty() && line.split_whitespace().count() < 2;
    if text.lines().map(str::trim).any(odd) {
        return Err("SSH public key validation error".to_owned());
    }
    Ok(())
}
