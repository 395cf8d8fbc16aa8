//! A token that a node has just told, once, is put into the secrets. The file is changed
//! in one line, and read again before it is written: all else says what it said.

use std::fmt::Write as _;

use super::envelope::Form;
use super::vault::{PLAIN, Vault};
use crate::diag::{Diagnostic, Exit, Failure, Source};
use crate::lab::write;
use crate::shape::{Node, Value};
use crate::site::yaml::Document;

/// The section.
const SECTION: &str = "api_tokens";

impl Vault<'_> {
    /// Sets `api_tokens.NAME`. A file that is not there is made, 0600.
    ///
    /// # Errors
    /// The secrets are encrypted, and only a person can open them for writing (69); the
    /// file is not understood (65) or cannot be written (73).
    pub fn set_token(&self, name: &str, token: &str) -> Result<(), Failure> {
        let found = self.used()?;
        let (text, mode) = match &found {
            None => (String::new(), 0o600),
            Some(found) if matches!(found.form, Form::Plain) => (found.text.0.clone(), found.mode),
            Some(found) => {
                return Err(Failure::message(
                    Exit::Runway,
                    format!("`{}` is encrypted: no token can be put into it", found.shown),
                )
                .help("`hl site secrets decrypt` first, then run this again, then `hl site secrets encrypt`"));
            }
        };
        let shown = self.shown().join(PLAIN);
        let edited = with_token(&text, name, token).ok_or_else(|| {
            Failure::new(
                Exit::Definition,
                Diagnostic::error(format!("`{shown}` cannot be changed without a person")).help(
                    format!("add `{name}` to `{SECTION}` yourself: `hl site secrets edit`"),
                ),
            )
        })?;
        write(&self.dir().join(PLAIN), edited, mode & 0o777)
    }
}

/// The text with that token; the first of the ways to write it that says just that.
fn with_token(text: &str, name: &str, token: &str) -> Option<String> {
    let before = tree(text)?;
    let entry = format!("{}: {}", quoted(name), quoted(token));
    let mut ways = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    if let Some(section) = before.get(SECTION) {
        if let Some(value) = section.get(name) {
            let at = usize::try_from(value.mark.line).ok()?.checked_sub(1)?;
            let line = lines.get(at)?;
            let indent = line.strip_suffix(line.trim_start()).unwrap_or_default();
            ways.push(replaced(&lines, at, &[&format!("{indent}{entry}")]));
        }
        let at = lines.iter().position(|line| {
            line.trim_start()
                .trim_start_matches(['"', '\''])
                .starts_with(SECTION)
                && !line.starts_with([' ', '\t'])
        })?;
        let next = lines[at + 1..].iter().find(|line| {
            let line = line.trim();
            !line.is_empty() && !line.starts_with('#')
        });
        let indent = next.map_or(2, |line| line.len() - line.trim_start().len());
        let below = format!("{}{entry}", " ".repeat(indent.max(1)));
        // Below the key, and in the place of `{}` or nothing.
        ways.push(replaced(&lines, at, &[lines[at], &below]));
        ways.push(replaced(
            &lines,
            at,
            &[&format!("{SECTION}:"), &format!("  {entry}")],
        ));
    } else {
        let mut text = text.to_owned();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        writeln!(text, "{SECTION}:\n  {entry}").ok()?;
        ways.push(text);
    }
    ways.into_iter().find(|way| says(&before, way, name, token))
}

fn replaced(lines: &[&str], at: usize, with: &[&str]) -> String {
    let mut all: Vec<&str> = lines[..at].to_vec();
    all.extend(with);
    all.extend(&lines[at + 1..]);
    all.join("\n") + "\n"
}

/// A text between double quotes, as YAML and JSON both read it.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

fn tree(text: &str) -> Option<Node> {
    let document = Document::parse_secret(Source::new(PLAIN, text)).ok()?;
    Some(document.root)
}

/// Whether the new text says what the old one said, and the token.
fn says(before: &Node, text: &str, name: &str, token: &str) -> bool {
    let Some(after) = tree(text) else {
        return false;
    };
    let told = after.get(SECTION).and_then(|section| section.get(name));
    let rest = |node: &Node| {
        let mut leaves = Vec::new();
        flatten(node, String::new(), &mut leaves);
        let own = format!("/{SECTION}/{name}");
        leaves.retain(|(path, _)| *path != own);
        leaves.sort();
        leaves
    };
    told.and_then(Node::text) == Some(token) && rest(before) == rest(&after)
}

fn flatten(node: &Node, path: String, leaves: &mut Vec<(String, String)>) {
    match &node.value {
        Value::Map(map) => {
            for entry in map {
                flatten(&entry.value, format!("{path}/{}", entry.key), leaves);
            }
        }
        Value::List(items) => {
            for (at, item) in items.iter().enumerate() {
                flatten(item, format!("{path}/{at}"), leaves);
            }
        }
        Value::Null => {}
        Value::Bool(_) | Value::Number(_) | Value::Text(_) => {
            leaves.push((path, format!("{:?}", node.value)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "hl@pve!hl=11111111-2222-3333-4444-555555555555";

    #[track_caller]
    fn set(text: &str) -> String {
        with_token(text, "heron", TOKEN).unwrap_or_else(|| panic!("not written: {text}"))
    }

    #[test]
    fn a_token_is_put_where_it_belongs_and_nothing_else_changes() {
        let entry = format!("\"heron\": \"{TOKEN}\"");
        assert_eq!(set(""), format!("api_tokens:\n  {entry}\n"));
        let other = "# mine\npasswords:\n  vm_root: \"$6$x\"\n";
        assert_eq!(set(other), format!("{other}api_tokens:\n  {entry}\n"));
        let four =
            "api_tokens:\n    # four\n    kestrel: \"a@pve!b=c\" # old\nauth: {site_token: x}\n";
        assert_eq!(
            set(four),
            format!(
                "api_tokens:\n    {entry}\n    # four\n    kestrel: \"a@pve!b=c\" # old\nauth: {{site_token: x}}\n"
            )
        );
        let again = "passwords: {heron: x}\napi_tokens:\n  heron: old\n  b: c\n";
        assert_eq!(
            set(again),
            format!("passwords: {{heron: x}}\napi_tokens:\n  {entry}\n  b: c\n")
        );
        for empty in ["api_tokens: {}\n", "api_tokens:\n", "api_tokens: null\n"] {
            assert_eq!(set(empty), format!("api_tokens:\n  {entry}\n"), "{empty}");
        }
    }

    #[test]
    fn what_is_not_understood_is_left_alone() {
        for text in [
            "api_tokens: {a: b}\n",
            "- a list\n",
            "api_tokens: [\n",
            "{\"api_tokens\": {\"a\": \"b\"}}\n",
        ] {
            assert_eq!(with_token(text, "heron", TOKEN), None, "{text}");
        }
    }
}
