//! From the text of `secrets.yaml` to its values. No finding shows a value.

use super::model::{Keyed, Secret, Secrets};
use crate::diag::{Advice, Diagnostic, Exit, Failure, Source, did_you_mean};
use crate::shape::{Entry, Map, Node, Value};
use crate::site::yaml::Document;

const SECTIONS: [&str; 4] = ["api_tokens", "passwords", "ssh_keys", "auth"];
const AUTH: [&str; 2] = ["site_token", "node_tokens"];

impl Secrets {
    /// Reads the clear text of a `secrets.yaml`.
    ///
    /// # Errors
    /// It is invalid: 65 with every finding, none of which shows a value.
    pub fn parse(source: Source) -> Result<Self, Failure> {
        Self::of(&Document::parse_secret(source)?)
    }

    /// The same of a document that holds clear values already.
    pub(super) fn of(document: &Document) -> Result<Self, Failure> {
        let (secrets, findings) = Self::partly(document);
        if findings.is_empty() {
            return Ok(secrets);
        }
        Err(Failure::many(Exit::Definition, findings))
    }

    /// What can be read of a document, and all that is wrong with it.
    pub(super) fn partly(document: &Document) -> (Self, Vec<Diagnostic>) {
        let mut reader = Reader {
            findings: document.faults().collect(),
            document,
        };
        let mut secrets = reader.secrets();
        let mut findings = reader.findings;
        findings.sort_by_key(|d| d.place.as_ref().map(|place| place.span.start));
        secrets.partial = !findings.is_empty();
        (secrets, findings)
    }
}

struct Reader<'d> {
    document: &'d Document,
    findings: Vec<Diagnostic>,
}

impl<'d> Reader<'d> {
    fn secrets(&mut self) -> Secrets {
        let root = &self.document.root;
        let mut secrets = Secrets {
            file: self.document.source().path.clone(),
            ..Secrets::default()
        };
        let Some(map) = self.mapping(root, "the file") else {
            return secrets;
        };
        self.known(map, &SECTIONS);
        for entry in map {
            match entry.key.as_str() {
                "api_tokens" => secrets.api_tokens = self.keyed(entry),
                "passwords" => secrets.passwords = self.keyed(entry),
                "ssh_keys" => secrets.ssh_keys = self.keyed(entry),
                "auth" => {
                    let Some(auth) = self.mapping(&entry.value, "`auth`") else {
                        continue;
                    };
                    self.known(auth, &AUTH);
                    if let Some(entry) = auth.entry("site_token") {
                        secrets.site_token = self.secret(entry);
                    }
                    if let Some(entry) = auth.entry("node_tokens") {
                        secrets.node_tokens = self.keyed(entry);
                    }
                }
                _ => {}
            }
        }
        secrets
    }

    fn keyed(&mut self, entry: &'d Entry) -> Keyed {
        let what = format!("`{}`", entry.key);
        let Some(map) = self.mapping(&entry.value, &what) else {
            return Keyed::default();
        };
        map.iter()
            .filter_map(|entry| Some((entry.key.clone(), self.secret(entry)?)))
            .collect()
    }

    /// A value: text, or nothing for one that is not set yet.
    fn secret(&mut self, entry: &'d Entry) -> Option<Secret> {
        match &entry.value.value {
            Value::Text(text) => Some(Secret::new(text.clone(), entry.value.mark.line as usize)),
            Value::Null => None,
            Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                let kind = entry.value.kind();
                self.finding(entry, format!("`{}` is {kind}, expected text", entry.key))
                    .help
                    .push("put it in quotes".into());
                // The name is there, and what it stands for is told once.
                Some(Secret::new("", entry.value.mark.line as usize))
            }
        }
    }

    /// A mapping; nothing when it is `null`, and a finding when it is no such thing.
    fn mapping(&mut self, node: &'d Node, what: &str) -> Option<&'d Map> {
        match &node.value {
            Value::Map(map) => Some(map),
            Value::Null => None,
            Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                let message = format!("{what} is {}, expected a mapping", node.kind());
                let finding = Diagnostic::error(message).at(self.document.at(node, ""));
                self.findings.push(finding);
                None
            }
        }
    }

    fn known(&mut self, map: &'d Map, known: &[&str]) {
        for entry in map.iter().filter(|e| !known.contains(&e.key.as_str())) {
            let help = did_you_mean(&entry.key, known.iter().copied());
            self.finding(entry, format!("unknown key `{}`", entry.key))
                .help
                .extend(help.map(Advice::from));
        }
    }

    fn finding(&mut self, entry: &Entry, message: String) -> &mut Diagnostic {
        let finding = Diagnostic::error(message).at(self.document.at_key(entry, ""));
        let at = self.findings.len();
        self.findings.push(finding);
        &mut self.findings[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::render;

    fn parse(text: &str) -> Result<Secrets, Failure> {
        Secrets::parse(Source::new("secrets.yaml", text))
    }

    #[test]
    fn sections_are_read_in_order_and_debug_shows_nothing() {
        let secrets = parse(
            "api_tokens:\n  pve: root@pam!t=1\npasswords: {vm_root: p}\nssh_keys:\n  z@b: k1\n  a@b: k2\nauth:\n  site_token: s\n  node_tokens: {web: w}\n",
        )
        .unwrap();
        assert_eq!(
            secrets.api_tokens.get("pve").unwrap().reveal(),
            "root@pam!t=1"
        );
        assert_eq!(secrets.api_tokens.get("pve").unwrap().line(), 2);
        assert_eq!(secrets.ssh_keys.names().collect::<Vec<_>>(), ["z@b", "a@b"]);
        assert_eq!(secrets.site_token.as_ref().unwrap().reveal(), "s");
        assert_eq!(secrets.node_tokens.get("web").unwrap().reveal(), "w");
        assert_eq!(secrets.values().count(), 6);
        let debug = format!("{secrets:?}");
        assert!(!debug.contains("pam!t") && debug.contains("(secret)"));
    }

    #[test]
    fn sections_without_values_are_empty() {
        let secrets = parse("api_tokens:\nauth: {site_token: ~}\n").unwrap();
        assert_eq!(secrets.values().count(), 0);
        assert_eq!(parse("").unwrap().values().count(), 0);
    }

    #[test]
    fn findings_come_together_and_show_no_value() {
        let failure = parse(
            "api_token: {a: hunter2}\npasswords: [hunter2]\nauth:\n  site_tokne: hunter2\n  node_tokens: {x: 12345}\nauth: hunter2\n",
        )
        .unwrap_err();
        assert_eq!(failure.exit, Exit::Definition);
        let shown = render(&failure, false, crate::diag::Commands::Live);
        assert!(
            !shown.contains("hunter2") && !shown.contains("12345"),
            "{shown}"
        );
        insta::assert_snapshot!(shown);
    }
}
