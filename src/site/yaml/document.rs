//! A parsed file.

use std::ops::Range;

use super::parse::{self, Fault, Legacy};
use crate::diag::{Advice, Diagnostic, Exit, Failure, Place, Source};
use crate::shape::{Entry, Map, Mark, Node, Value};

/// A parsed file: its tree, and what is wrong with it as YAML.
#[derive(Debug)]
pub(in crate::site) struct Document {
    source: Source,
    pub(in crate::site) root: Node,
    faults: Vec<Fault>,
    legacy: Vec<Legacy>,
    secret: bool,
}

impl Document {
    /// Parses a text; not YAML at all is exit 65 with the place. What leaves a
    /// tree is in [`Document::faults`].
    pub(in crate::site) fn parse(source: Source) -> Result<Self, Failure> {
        Self::read(source, false)
    }

    /// The same for a file whose values must not be seen: its findings name
    /// keys and lines, and the text that is shown with them holds keys only.
    pub(in crate::site) fn parse_secret(source: Source) -> Result<Self, Failure> {
        Self::read(source, true)
    }

    fn read(source: Source, secret: bool) -> Result<Self, Failure> {
        match parse::tree(&source.text) {
            Ok(tree) => {
                let source = if secret {
                    let mut keys = Vec::new();
                    key_ranges(&tree.root, &mut keys);
                    Source::new(source.path, masked(&source.text, keys))
                } else {
                    source
                };
                Ok(Self {
                    source,
                    root: tree.root,
                    faults: tree.faults,
                    legacy: tree.legacy,
                    secret,
                })
            }
            Err(fault) => {
                let source = if secret {
                    Source::new(source.path, masked(&source.text, Vec::new()))
                } else {
                    source
                };
                // The parser's words may hold a piece of the text.
                let message = if secret {
                    format!(
                        "`{}` is not valid YAML in line {}",
                        source.path, fault.mark.line
                    )
                } else {
                    format!("`{}` is not valid YAML: {}", source.path, fault.message)
                };
                let diagnostic = Diagnostic::error(message).at(fault.mark.place(&source, ""));
                Err(Failure::new(Exit::Definition, diagnostic))
            }
        }
    }

    /// The file, as the user knows it.
    pub(in crate::site) fn source(&self) -> &Source {
        &self.source
    }

    /// Errors of the file as YAML: keys that stand twice, aliases to nothing.
    pub(in crate::site) fn faults(&self) -> impl Iterator<Item = Diagnostic> + '_ {
        self.faults.iter().map(|fault| {
            let mut finding =
                Diagnostic::error(fault.message.clone()).at(self.place(fault.mark, ""));
            finding.help.extend(fault.help.iter().map(Advice::from));
            finding
        })
    }

    /// Warnings about values that YAML 1.1 reads otherwise.
    pub(in crate::site) fn legacy(&self) -> impl Iterator<Item = Diagnostic> + '_ {
        self.legacy.iter().map(|legacy| {
            let message = if self.secret {
                "YAML 1.1 reads another value here".to_owned()
            } else {
                let (text, reading) = (&legacy.text, &legacy.reading);
                format!("`{text}` is {reading} to YAML 1.1, and another value here")
            };
            Diagnostic::warning(message)
                .at(self.place(legacy.mark, ""))
                .help("put text in quotes, and write `true`, `false` and numbers plainly")
        })
    }

    /// The place of a value.
    pub(in crate::site) fn at(&self, node: &Node, label: impl Into<String>) -> Place {
        self.place(node.mark, label)
    }

    /// The place of a key.
    pub(in crate::site) fn at_key(&self, entry: &Entry, label: impl Into<String>) -> Place {
        self.place(entry.key_mark, label)
    }

    /// The place of a mark.
    pub(in crate::site) fn place(&self, mark: Mark, label: impl Into<String>) -> Place {
        mark.place(&self.source, label)
    }
}

fn key_ranges(node: &Node, found: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::Map(map) => map_ranges(map, found),
        Value::List(items) => items.iter().for_each(|item| key_ranges(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {}
    }
}

fn map_ranges(map: &Map, found: &mut Vec<Range<usize>>) {
    for entry in map {
        found.push(entry.key_mark.range());
        key_ranges(&entry.value, found);
    }
}

/// The text with a blank for every byte that is in no key; lines stay where
/// they are.
fn masked(text: &str, keys: Vec<Range<usize>>) -> String {
    let mut out: Vec<u8> = text
        .bytes()
        .map(|byte| if byte == b'\n' { byte } else { b' ' })
        .collect();
    for key in keys {
        let shown = text.as_bytes().get(key.clone());
        if let (Some(shown), Some(place)) = (shown, out.get_mut(key)) {
            place.copy_from_slice(shown);
        }
    }
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::diag::render;

    fn read(text: &str) -> Document {
        Document::parse(Source::new("e.yaml", text)).unwrap()
    }

    fn faults(text: &str) -> Vec<String> {
        let document = read(text);
        let place = |d: &Diagnostic| d.place.as_ref().unwrap().line_column();
        let faults = document.faults();
        faults
            .map(|d| format!("{:?} {}", place(&d), d.message))
            .collect()
    }

    #[test]
    fn keys_and_values_know_their_places() {
        let text = "vms:\n  - name: wéb\n    vmid: 12\n    tags: [a, b]\nx:\n";
        let document = read(text);
        let root = document.root.map().unwrap();
        let key = root.entry("vms").unwrap();
        assert_eq!(document.at_key(key, "").line_column(), (1, 1));
        let vm = key.value.items()[0].map().unwrap();
        let places: Vec<_> = vm
            .iter()
            .map(|e| {
                let value = document.at(&e.value, "");
                (
                    document.at_key(e, "").line_column(),
                    value.line_column(),
                    e.value.mark.line,
                    text.get(value.span.clone()).unwrap(),
                )
            })
            .collect();
        assert_eq!(
            places,
            [
                ((2, 5), (2, 11), 2, "wéb"),
                ((3, 5), (3, 11), 3, "12"),
                ((4, 5), (4, 11), 4, "[a, b]")
            ]
        );
        assert!(root.get("x").unwrap().is_null());
        assert!(read("").root.is_null());
        assert!(read("\u{feff}a: 1\r\nb: 2\r\n").root.get("b").is_some());
    }

    #[test]
    fn no_yaml_is_told_with_its_place() {
        for text in ["vms: [1,\n", "a: 'x\n", "a: b: c\n"] {
            let Err(failure) = Document::parse(Source::new("e.yaml", text)) else {
                panic!("{text:?} parsed")
            };
            assert_eq!(failure.exit, Exit::Definition);
            assert!(failure.diagnostics[0].place.is_some(), "{text:?}");
        }
    }

    #[rstest]
    #[case("a: 1\nb: 2\na: 3\nb: 4\n", &["(3, 1) duplicate key `a`, first on line 1", "(4, 1) duplicate key `b`, first on line 2"])]
    #[case("a: *b\nc: 1\n", &["(1, 4) undefined alias"])]
    #[case("a: &x [*x]\n", &["(1, 8) an alias refers to its own anchor"])]
    #[case("[a]: 1\nb: 2\n", &["(1, 1) a key is a collection, expected text"])]
    #[case("a: !secret x\n", &["(1, 12) a tag has no meaning here"])]
    #[case("a: .nan\n", &["(1, 4) not a number that can be written down"])]
    #[case("a: 1\n---\nb: 2\n", &["(2, 1) a second document begins here, expected one in a file"])]
    #[case("a: {<<: 5}\n", &["(1, 9) `<<` is a number, expected a mapping or a list of them"])]
    #[case("a: !!str 5\nb: ! 6\nc: !!map {x: 1}\n", &[])]
    fn what_leaves_a_tree_is_a_finding(#[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(faults(text), expected);
    }

    #[test]
    fn merge_keys_lay_defaults_under_a_mapping() {
        let document = read(
            "x: &x {cores: 1, memory: 2}\ny: &y {memory: 3, disk: 4}\nz:\n  <<: [*x, *y]\n  cores: 9\n  name: n\n",
        );
        let z = document.root.get("z").unwrap().map().unwrap();
        let all: Vec<_> = z
            .iter()
            .map(|e| (e.key.as_str(), e.value.mark.line))
            .collect();
        assert_eq!(all, [("cores", 5), ("memory", 1), ("disk", 2), ("name", 6)]);
        assert_eq!(document.faults().count(), 0);
    }

    #[test]
    fn aliases_cannot_explode() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned();
        for n in 1..12 {
            let before = format!("*a{}, ", n - 1).repeat(8);
            writeln!(text, "a{n}: &a{n} [{before}]").unwrap();
        }
        let failure = Document::parse(Source::new("e.yaml", text)).unwrap_err();
        assert!(failure.to_string().contains("more than"), "{failure}");
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(Document::parse(Source::new("e.yaml", deep)).is_err());
    }

    #[test]
    fn a_file_of_secrets_shows_keys_only() {
        for text in [
            "api_tokens:\n  pve: hunter2\npasswords: {vm_root: hunter2, vm_root: hunter2}\nx: *hunter2\n",
            "a: hunter2\nb: [hunter2\n",
            "a: \"hunter2\\q\"\n",
            "a: !hunter2 hunter2\n",
        ] {
            let shown = match Document::parse_secret(Source::new("secrets.yaml", text)) {
                Ok(document) => {
                    let all = document.faults().chain(document.legacy()).collect();
                    render(
                        &Failure::many(Exit::Definition, all),
                        false,
                        crate::diag::Commands::Live,
                    )
                }
                Err(failure) => render(&failure, false, crate::diag::Commands::Live),
            };
            assert!(shown.contains("secrets.yaml"), "{shown}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn nonsense_never_panics(text in "(\\PC|\n){0,60}") {
            if let Ok(document) = Document::parse(Source::new("e.yaml", text.clone())) {
                prop_assert!(document.faults().all(|d| d.place.is_some()));
            }
            drop(Document::parse_secret(Source::new("e.yaml", text)));
        }

        #[test]
        fn structure_never_panics(text in "[-a:{}\\[\\],&*! \n'\"|>?<#]{0,40}") {
            drop(Document::parse(Source::new("e.yaml", text.clone())));
            drop(Document::parse_secret(Source::new("e.yaml", text)));
        }
    }
}
