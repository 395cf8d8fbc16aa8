//! JSON as it may be printed: what a terminal does not show stands as `\uXXXX`
//! in it. It means the same, and steers nothing.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use super::unseen::is_invisible;

/// A value on one line.
///
/// # Errors
/// The value cannot be JSON.
pub fn line(value: &impl Serialize) -> serde_json::Result<String> {
    written(value, Shown(CompactFormatter))
}

/// A value on many lines, indented.
///
/// # Errors
/// The value cannot be JSON.
pub fn pretty(value: &impl Serialize) -> serde_json::Result<String> {
    written(value, Shown(PrettyFormatter::new()))
}

/// The same value with every text in it made anew, the names of fields too.
pub fn map_texts(value: Value, map: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(map(&text)),
        Value::Array(items) => items.into_iter().map(|v| map_texts(v, map)).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, v)| (map(&name), map_texts(v, map)))
            .collect(),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

fn written(value: &impl Serialize, formatter: impl Formatter) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter))?;
    String::from_utf8(bytes).map_err(serde::ser::Error::custom)
}

/// A formatter that says invisible characters by number.
struct Shown<F>(F);

/// Passes calls on as they are.
macro_rules! pass_on {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {$(
        fn $name<W: ?Sized + io::Write>(&mut self, writer: &mut W, $($arg: $type),*) -> io::Result<()> {
            self.0.$name(writer, $($arg),*)
        }
    )*};
}

impl<F: Formatter> Formatter for Shown<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut plain = fragment;
        while let Some((at, c)) = plain.char_indices().find(|(_, c)| is_odd(*c)) {
            let (before, rest) = plain.split_at(at);
            writer.write_all(before.as_bytes())?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain = rest.split_at(c.len_utf8()).1;
        }
        writer.write_all(plain.as_bytes())
    }

    pass_on! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }
}

/// Control characters below space are escaped by JSON itself.
fn is_odd(c: char) -> bool {
    !c.is_ascii() && (c.is_control() || is_invisible(c)) || c == '\u{7f}'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn it_is_laid_out_as_ever() {
        let value = json!({"a": [1, {}, []], "b": {"c": "ä\"✓"}});
        assert_eq!(line(&value).unwrap(), value.to_string());
        let wanted = serde_json::to_string_pretty(&value).unwrap();
        assert_eq!(pretty(&value).unwrap(), wanted);
        let odd = json!("a\u{9b}b\u{202e}c\u{e0041}\u{7f}");
        let wanted = "\"a\\u009bb\\u202ec\\udb40\\udc41\\u007f\"";
        assert_eq!(line(&odd).unwrap(), wanted);
    }

    proptest! {
        #[test]
        fn it_means_the_same_and_steers_nothing(text in any::<String>(), key in "[\u{7f}-\u{a0}\u{200b}-\u{206f}a]{0,9}") {
            let value = json!({key: text});
            for json in [line(&value).unwrap(), pretty(&value).unwrap()] {
                prop_assert!(!json.chars().any(|c| is_odd(c) || c.is_control() && c != '\n'), "{}", json);
                prop_assert_eq!(&serde_json::from_str::<Value>(&json).unwrap(), &value);
            }
        }
    }
}
