//! A dependency as written (`l2-apply {{ env }} --node {{ node }}`) to words.

/// One word of it, templates untouched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RawWord {
    pub(super) text: String,
    /// It begins with a template or a quote: a value, never an option.
    pub(super) opaque: bool,
}

/// Cuts at white space outside `{{ ... }}` and quotes. Quotes are taken away
/// outside templates. `Err` says what is not closed.
pub(super) fn split(text: &str) -> Result<Vec<RawWord>, &'static str> {
    let mut words = Vec::new();
    let mut current: Option<RawWord> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            words.extend(current.take());
            continue;
        }
        let is_template = c == '{' && chars.peek() == Some(&'{');
        let is_quote = c == '"' || c == '\'';
        let word = current.get_or_insert_with(|| RawWord {
            text: String::new(),
            opaque: is_template || is_quote,
        });
        if is_template {
            word.text.push(c);
            loop {
                let inside = chars.next().ok_or("`{{` without `}}`")?;
                word.text.push(inside);
                if inside == '}' && chars.next_if_eq(&'}').is_some() {
                    word.text.push('}');
                    break;
                }
            }
        } else if is_quote {
            loop {
                let inside = chars.next().ok_or("a quote is not closed")?;
                if inside == c {
                    break;
                }
                word.text.push(inside);
            }
        } else {
            word.text.push(c);
        }
    }
    words.extend(current);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<(String, bool)> {
        let words = split(text).unwrap();
        words.into_iter().map(|w| (w.text, w.opaque)).collect()
    }

    #[test]
    fn templates_and_quotes_keep_their_blanks() {
        assert_eq!(
            texts("l2-apply {{ env }} --node={{ node }} 'a b'"),
            [
                ("l2-apply".to_owned(), false),
                ("{{ env }}".to_owned(), true),
                ("--node={{ node }}".to_owned(), false),
                ("a b".to_owned(), true),
            ]
        );
        assert_eq!(split("x {{ env"), Err("`{{` without `}}`"));
        assert_eq!(split("x 'a"), Err("a quote is not closed"));
    }
}
