//! Colours, decided once and passed down.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};

/// What a piece of text means; its colour follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Went well.
    Good,
    /// Went wrong.
    Bad,
    /// Deserves a look.
    Warn,
    /// In progress.
    Active,
    /// Less important.
    Dim,
    /// Names.
    Bold,
}

/// Whether text is coloured at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Palette {
    /// Colours are written.
    pub color: bool,
}

impl Palette {
    /// The text, painted when colours are on.
    pub fn paint(self, paint: Paint, text: impl Display) -> String {
        if !self.color {
            return text.to_string();
        }
        let style = match paint {
            Paint::Good => Style::new().bold().fg_color(Some(AnsiColor::Green.into())),
            Paint::Bad => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
            Paint::Warn => Style::new().bold().fg_color(Some(AnsiColor::Yellow.into())),
            Paint::Active => Style::new().bold().fg_color(Some(AnsiColor::Cyan.into())),
            Paint::Dim => Style::new().dimmed(),
            Paint::Bold => Style::new().bold(),
        };
        format!("{style}{text}{style:#}")
    }

    /// A verb, right-aligned in twelve columns.
    pub fn verb(self, paint: Paint, verb: &str) -> String {
        self.paint(paint, format_args!("{verb:>12}"))
    }
}
