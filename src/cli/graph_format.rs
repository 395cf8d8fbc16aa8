//! How a graph is drawn.

use clap::ValueEnum;

/// `--format` of verbs that draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum GraphFormat {
    /// Indented text
    Tree,
    /// Graphviz
    Dot,
    /// Mermaid
    Mermaid,
}
