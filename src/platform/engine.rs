//! The one engine for templates of adapters: strict, and without any way out. It
//! reads no file, no clock and no random numbers.

use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

use super::mark;

/// An engine that knows the templates of one adapter. `placeholders` are those that
/// it declares.
pub(super) fn engine(placeholders: impl IntoIterator<Item = String>) -> Environment<'static> {
    let mut engine = Environment::new();
    engine.set_undefined_behavior(UndefinedBehavior::Strict);
    engine.set_auto_escape_callback(|_| AutoEscape::None);
    engine.set_syntax(
        SyntaxConfig::builder()
            .keep_trailing_newline(true)
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .unwrap_or_default(),
    );
    engine.set_formatter(|out, state, value| {
        if value.kind() == ValueKind::Bool {
            return out
                .write_str(if value.is_true() { "true" } else { "false" })
                .map_err(Error::from);
        }
        minijinja::escape_formatter(out, state, value)
    });
    engine.add_filter("json", |value: Value| json(&value));
    engine.add_filter("base64", |text: String| STANDARD.encode(text));
    engine.add_filter("by", by);
    let known: Arc<Vec<String>> = Arc::new(placeholders.into_iter().collect());
    engine.add_function("placeholder", move |name: String| {
        if known.contains(&name) {
            return Ok(mark::mark(&name));
        }
        let why = format!("`{name}` is no `[[placeholder]]` of this adapter");
        Err(Error::new(ErrorKind::InvalidOperation, why))
    });
    engine
}

/// A list of mappings as one mapping: from the value of a key to that of another.
fn by(list: &Value, key: &str, value: &str) -> Result<Value, Error> {
    let mut pairs = std::collections::BTreeMap::new();
    for item in list.try_iter()? {
        let found = item.get_attr(value)?;
        pairs.insert(item.get_attr(key)?.to_string(), found);
    }
    Ok(Value::from(Serde(pairs)))
}

/// A value as JSON on one line, which is YAML as well.
fn json(value: &Value) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| {
        Error::new(ErrorKind::InvalidOperation, "cannot be written as JSON").with_source(error)
    })
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TemplateFault {
    /// What.
    pub message: String,
    /// Where, in bytes of its text.
    pub range: Option<Range<usize>>,
    /// Its line, from 1.
    pub line: Option<usize>,
}

impl From<&Error> for TemplateFault {
    fn from(error: &Error) -> Self {
        let mut message = error.kind().to_string();
        if let Some(detail) = error.detail() {
            message = format!("{message}: {detail}");
        }
        Self {
            message,
            range: error.range(),
            line: error.line(),
        }
    }
}

/// A JSON value whose strings are templates, rendered: a string that is one
/// `{{ expression }}` keeps the expression's type.
///
/// # Errors
/// The first string that has no value.
pub(super) fn render_json(
    engine: &Environment<'_>,
    value: &serde_json::Value,
    context: &Value,
) -> Result<serde_json::Value, TemplateFault> {
    use serde_json::Value as Json;
    Ok(match value {
        Json::String(text) => render_text(engine, text, context)?,
        Json::Array(items) => {
            let items = items.iter().map(|item| render_json(engine, item, context));
            Json::Array(items.collect::<Result<_, _>>()?)
        }
        Json::Object(map) => {
            let pairs = map
                .iter()
                .map(|(key, value)| Ok((key.clone(), render_json(engine, value, context)?)));
            Json::Object(pairs.collect::<Result<_, TemplateFault>>()?)
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => value.clone(),
    })
}

fn render_text(
    engine: &Environment<'_>,
    text: &str,
    context: &Value,
) -> Result<serde_json::Value, TemplateFault> {
    let inner = text
        .trim()
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"))
        .filter(|inner| !inner.contains("{{") && !inner.contains("}}"));
    if let Some(inner) = inner {
        let value = evaluate(engine, inner, context)?;
        return serde_json::to_value(&value).map_err(|error| TemplateFault {
            message: error.to_string(),
            range: None,
            line: None,
        });
    }
    let text = engine.render_str(text, context.clone());
    text.map(serde_json::Value::String)
        .map_err(|error| TemplateFault::from(&error))
}

/// The value of an expression, which must have one.
///
/// # Errors
/// Its syntax is wrong, or it has no value.
pub(super) fn evaluate(
    engine: &Environment<'_>,
    expression: &str,
    context: &Value,
) -> Result<Value, TemplateFault> {
    let compiled = engine.compile_expression_owned(expression.to_owned());
    let value = compiled.and_then(|compiled| compiled.eval(context.clone()));
    let value = value.map_err(|error| TemplateFault::from(&error))?;
    if value.is_undefined() {
        return Err(TemplateFault {
            message: format!("`{}` has no value", expression.trim()),
            range: None,
            line: None,
        });
    }
    Ok(value)
}

/// Whether an expression is true.
///
/// # Errors
/// It is neither true nor false.
pub(super) fn is_true(
    engine: &Environment<'_>,
    expression: &str,
    context: &Value,
) -> Result<bool, TemplateFault> {
    let value = evaluate(engine, expression, context)?;
    if value.kind() == ValueKind::Bool {
        return Ok(value.is_true());
    }
    Err(TemplateFault {
        message: format!(
            "`{}` is {value}, expected `true` or `false`",
            expression.trim()
        ),
        range: None,
        line: None,
    })
}
