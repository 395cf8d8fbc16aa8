//! Events of the parser to nodes, within budgets. What is wrong but leaves a
//! tree (a duplicate key, an undefined alias) is noted, and the rest
//! of the file is read.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::scalar;
use crate::shape::{Entry, Map, Mark, Node, Value};

/// Nodes of one file, aliases expanded.
const MAX_NODES: usize = 1_000_000;
/// Collections within collections.
const MAX_DEPTH: usize = 64;

/// What is wrong with a file that still has a tree.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) mark: Mark,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

/// A plain scalar that YAML 1.1 reads otherwise.
#[derive(Debug, Clone)]
pub(super) struct Legacy {
    pub(super) mark: Mark,
    pub(super) text: String,
    /// What 1.1 reads: `true`, `the number 420`.
    pub(super) reading: String,
}

/// A file's tree and what was noted on the way.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Node,
    pub(super) faults: Vec<Fault>,
    pub(super) legacy: Vec<Legacy>,
}

/// Reads a text. `Err`: there is no tree.
pub(super) fn tree(text: &str) -> Result<Tree, Fault> {
    let mut options = granit_parser::options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
    };
    options.set_emit_comments(false);
    let mut builder = Builder::default();
    for next in Parser::new_from_str_with_options(text, options) {
        let (event, span) = next.map_err(|error| {
            let marker = error.marker();
            let at = offset(marker.byte_offset()).min(length(text.len()));
            Fault {
                mark: Mark {
                    start: at,
                    end: at,
                    line: length(marker.line()),
                },
                message: error.info(),
                help: None,
            }
        })?;
        if !builder.event(event, mark(span))? {
            break;
        }
    }
    Ok(Tree {
        root: builder.root.unwrap_or_else(|| {
            null(Mark {
                line: 1,
                ..Mark::default()
            })
        }),
        faults: builder.faults,
        legacy: builder.legacy,
    })
}

fn mark(span: Span) -> Mark {
    Mark {
        start: offset(span.start.byte_offset()),
        end: offset(span.end.byte_offset()),
        line: length(span.start.line()),
    }
}

fn offset(bytes: Option<usize>) -> u32 {
    length(bytes.unwrap_or_default())
}

/// Files are far shorter than 4 GB: their size is limited before they are read.
fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// A collection that is not closed yet.
struct Frame {
    mark: Mark,
    anchor: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Node>),
    Map {
        map: Map,
        key: Option<Key>,
        merges: Vec<Node>,
    },
}

struct Key {
    text: String,
    mark: Mark,
    merge: bool,
}

#[derive(Default)]
struct Builder {
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    root: Option<Node>,
    nodes: usize,
    documents: usize,
    faults: Vec<Fault>,
    legacy: Vec<Legacy>,
}

impl Builder {
    /// Takes an event; `false` when the rest of the file is of no interest.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser's list is open: all else is presentation"
    )]
    fn event(&mut self, event: Event<'_>, mark: Mark) -> Result<bool, Fault> {
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.fault(
                        mark,
                        "a second document begins here, expected one in a file",
                        Some("remove the `---`, or move what follows into a file of its own"),
                    );
                    return Ok(false);
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                if self.wants_key() {
                    self.key(&text, plain && tag.is_none(), mark);
                    if anchor > 0 {
                        let node = Node {
                            value: Value::Text(text.into_owned()),
                            mark,
                        };
                        self.anchors.insert(anchor, node);
                    }
                } else {
                    let value = self.scalar(&text, plain, tag.as_deref(), mark);
                    self.add(Node { value, mark }, anchor, 1)?;
                }
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tagged(tag.as_deref(), mark);
                self.open(mark, anchor, Kind::List(Vec::new()))?;
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tagged(tag.as_deref(), mark);
                let kind = Kind::Map {
                    map: Map::default(),
                    key: None,
                    merges: Vec::new(),
                };
                self.open(mark, anchor, kind)?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(mark)?,
            Event::Alias(anchor) => self.alias(anchor, mark)?,
            Event::UnresolvedAlias(_) => {
                self.fault(
                    mark,
                    "undefined alias",
                    Some("text that begins with `*` wants quotes"),
                );
                self.place(null(mark), 0);
            }
            _ => {}
        }
        Ok(true)
    }

    fn fault(&mut self, mark: Mark, message: impl Into<String>, help: Option<&str>) {
        self.faults.push(Fault {
            mark,
            message: message.into(),
            help: help.map(str::to_owned),
        });
    }

    /// Whether the next node is a key.
    fn wants_key(&self) -> bool {
        matches!(
            self.stack.last(),
            Some(Frame {
                kind: Kind::Map { key: None, .. },
                ..
            })
        )
    }

    fn key(&mut self, text: &str, plain: bool, mark: Mark) {
        if plain {
            self.note_legacy(text, mark);
        }
        if let Some(Frame {
            kind: Kind::Map { key, .. },
            ..
        }) = self.stack.last_mut()
        {
            *key = Some(Key {
                text: text.to_owned(),
                mark,
                merge: plain && text == "<<",
            });
        }
    }

    fn note_legacy(&mut self, text: &str, mark: Mark) {
        if let Some(reading) = scalar::legacy(text) {
            self.legacy.push(Legacy {
                mark,
                text: text.to_owned(),
                reading,
            });
        }
    }

    fn scalar(&mut self, text: &str, plain: bool, tag: Option<&Tag>, mark: Mark) -> Value {
        match tag {
            None if plain => self.note_legacy(text, mark),
            None => return Value::Text(text.to_owned()),
            // A lone `!` says that it is text, too.
            Some(tag) if tag.core_suffix() == Some("str") || tag.original() == "!" => {
                return Value::Text(text.to_owned());
            }
            Some(tag) => self.tagged(Some(tag), mark),
        }
        match scalar::resolve(text) {
            Ok(value) => value,
            Err(why) => {
                self.fault(mark, why, Some("put it in quotes, if it is text"));
                Value::Null
            }
        }
    }

    /// Tags that are not of the core schema mean nothing here.
    fn tagged(&mut self, tag: Option<&Tag>, mark: Mark) {
        if tag.is_some_and(|tag| tag.core_suffix().is_none()) {
            // Not named: in a file of secrets it may be a value without quotes.
            self.fault(
                mark,
                "a tag has no meaning here",
                Some("remove it; text that begins with `!` wants quotes"),
            );
        }
    }

    fn open(&mut self, mark: Mark, anchor: usize, kind: Kind) -> Result<(), Fault> {
        if self.wants_key() {
            self.fault(mark, "a key is a collection, expected text", None);
            self.key("", false, mark);
            // What follows as its value is dropped with the key.
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(over(mark, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.stack.push(Frame { mark, anchor, kind });
        Ok(())
    }

    fn close(&mut self, end: Mark) -> Result<(), Fault> {
        let Some(frame) = self.stack.pop() else {
            return Ok(());
        };
        let value = match frame.kind {
            Kind::List(items) => Value::List(items),
            Kind::Map { map, merges, .. } => Value::Map(self.merge(map, &merges)),
        };
        let mark = Mark {
            end: end.end.max(frame.mark.start),
            ..frame.mark
        };
        self.add(Node { value, mark }, frame.anchor, 1)
    }

    /// What `<<` names is laid under a mapping.
    fn merge(&mut self, map: Map, merges: &[Node]) -> Map {
        if merges.is_empty() {
            return map;
        }
        let mut sources = Vec::new();
        for node in merges {
            let parts = if let Value::List(items) = &node.value {
                items.as_slice()
            } else {
                std::slice::from_ref(node)
            };
            for part in parts {
                if let Some(source) = part.map() {
                    sources.push(source);
                } else {
                    let kind = part.kind();
                    let message = format!("`<<` is {kind}, expected a mapping or a list of them");
                    self.fault(part.mark, message, None);
                }
            }
        }
        map.merged_under(&sources)
    }

    fn alias(&mut self, anchor: usize, mark: Mark) -> Result<(), Fault> {
        let node = self.anchors.get(&anchor).cloned();
        if self.wants_key() {
            if let Some(text) = node.as_ref().and_then(Node::text) {
                let text = text.to_owned();
                self.key(&text, false, mark);
            } else {
                self.fault(mark, "a key is a collection, expected text", None);
                self.key("", false, mark);
            }
            return Ok(());
        }
        let Some(node) = node else {
            // An alias inside the value of its own anchor.
            self.fault(mark, "an alias refers to its own anchor", None);
            self.place(null(mark), 0);
            return Ok(());
        };
        let count = node.count();
        self.add(Node { mark, ..node }, 0, count)
    }

    /// Counts a node and puts it in its place.
    fn add(&mut self, node: Node, anchor: usize, count: usize) -> Result<(), Fault> {
        self.nodes += count;
        if self.nodes > MAX_NODES {
            return Err(over(
                node.mark,
                format!(
                    "more than {MAX_NODES} values in one file, aliases counted as what they name"
                ),
            ));
        }
        self.place(node, anchor);
        Ok(())
    }

    fn place(&mut self, node: Node, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        if self.wants_key() {
            let mark = node.mark;
            self.fault(mark, "a key has no name", None);
            self.key("", false, mark);
            return;
        }
        match self.stack.last_mut() {
            None => self.root = Some(node),
            Some(Frame {
                kind: Kind::List(items),
                ..
            }) => items.push(node),
            Some(Frame {
                kind: Kind::Map { map, key, merges },
                ..
            }) => {
                let Some(key) = key.take() else {
                    return;
                };
                if key.merge {
                    merges.push(node);
                    return;
                }
                if let Some(first) = map.entry(&key.text) {
                    let (line, name) = (first.key_mark.line, key.text);
                    self.faults.push(Fault {
                        mark: key.mark,
                        message: format!("duplicate key `{name}`, first on line {line}"),
                        help: Some("remove one of them".to_owned()),
                    });
                    return;
                }
                map.insert(Entry {
                    key: key.text,
                    key_mark: key.mark,
                    value: node,
                });
            }
        }
    }
}

fn null(mark: Mark) -> Node {
    Node {
        value: Value::Null,
        mark,
    }
}

fn over(mark: Mark, message: String) -> Fault {
    Fault {
        mark,
        message,
        help: None,
    }
}
