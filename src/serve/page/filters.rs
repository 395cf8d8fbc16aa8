//! Filters of the templates.

use std::fmt::{Display, Write};

use askama::Values;
use askama::filters::{Html, Safe, escape};

/// Text of which what stands between backticks is code.
#[askama::filter_fn]
pub(super) fn prose(text: impl Display, _values: &dyn Values) -> askama::Result<Safe<String>> {
    marked(&text.to_string()).map(Safe)
}

fn marked(text: &str) -> askama::Result<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('`')
        && let Some((code, after)) = behind.split_once('`')
    {
        write!(out, "{}", escape(before, Html)?)?;
        write!(out, "<code>{}</code>", escape(code, Html)?)?;
        rest = after;
    }
    write!(out, "{}", escape(rest, Html)?)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code_and_no_markup_is_let_through() {
        for (text, html) in [
            ("", ""),
            ("no code", "no code"),
            (
                "do `hl up`, then `x`",
                "do <code>hl up</code>, then <code>x</code>",
            ),
            ("`a` and ` alone", "<code>a</code> and ` alone"),
            ("<b> `<i>&`", "&#60;b&#62; <code>&#60;i&#62;&#38;</code>"),
        ] {
            assert_eq!(marked(text).unwrap(), html);
        }
    }
}
