//! Texts in pictures of graphs: trees of lines, Graphviz, Mermaid.

use super::sanitize;

/// What stands before an entry of a tree, and before what is below the entry.
pub fn arms(last: bool) -> (&'static str, &'static str) {
    if last {
        ("└── ", "    ")
    } else {
        ("├── ", "│   ")
    }
}

/// A text as Graphviz takes it; its lines stay.
pub fn dot_text(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(sanitize).collect();
    let escaped = lines.join("\n").replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{}\"", escaped.replace('\n', "\\n"))
}

/// A text as it stands between quotes in Mermaid.
pub fn mermaid_text(text: &str) -> String {
    sanitize(text)
        .replace('&', "#amp;")
        .replace('"', "#quot;")
        .replace('<', "#lt;")
        .replace('>', "#gt;")
}
