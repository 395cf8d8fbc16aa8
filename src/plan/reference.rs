//! `${steps.ID.KEY}`: inputs that an earlier step publishes.
//!
//! Layer files write `{{ steps.plan.file }}`; building a plan turns that into
//! `${steps.l2-apply/plan.file}`, because the value is known only when the
//! step has run. A string that is nothing but a reference takes the published
//! value as it is; inside a longer string it is put in as text.

use std::collections::BTreeMap;

use serde_json::Value;

use super::StepId;

/// A reference whose step has not published that key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("step `{step}` has not published `{key}`")]
pub struct Missing {
    /// The step.
    pub step: StepId,
    /// The key.
    pub key: String,
}

/// What steps have published so far.
pub type Published = BTreeMap<StepId, BTreeMap<String, Value>>;

/// All references in a value, in order of appearance.
pub fn references(value: &Value) -> Vec<(StepId, String)> {
    let mut found = Vec::new();
    walk(value, &mut |text| {
        for (_, reference) in split(text) {
            if let Some((step, key)) = reference {
                found.push((StepId::from(step), key.to_owned()));
            }
        }
    });
    found
}

/// The value with every reference replaced.
pub fn resolve(value: &Value, published: &Published) -> Result<Value, Missing> {
    let lookup = |step: &str, key: &str| {
        let step = StepId::from(step);
        let found = published
            .get(&step)
            .and_then(|outputs| outputs.get(key))
            .cloned();
        found.ok_or_else(|| Missing {
            step,
            key: key.to_owned(),
        })
    };
    Ok(match value {
        Value::String(text) => {
            let parts: Vec<_> = split(text).collect();
            if let [("", Some((step, key)))] = parts.as_slice() {
                return lookup(step, key);
            }
            let mut out = String::new();
            for (literal, reference) in parts {
                out.push_str(literal);
                if let Some((step, key)) = reference {
                    let value = lookup(step, key)?;
                    out.push_str(value.as_str().unwrap_or(&value.to_string()));
                }
            }
            Value::String(out)
        }
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|v| resolve(v, published))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(map) => Value::Object(
            map.iter()
                .map(|(k, v)| Ok((k.clone(), resolve(v, published)?)))
                .collect::<Result<_, Missing>>()?,
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

fn walk(value: &Value, on_text: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => on_text(text),
        Value::Array(items) => items.iter().for_each(|v| walk(v, on_text)),
        Value::Object(map) => map.values().for_each(|v| walk(v, on_text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

type Part<'a> = (&'a str, Option<(&'a str, &'a str)>);

/// Cuts a text into `(literal, reference)` pairs; the last may have no reference.
fn split(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        if let Some((literal, tail)) = text.split_once("${steps.")
            && let Some((inside, after)) = tail.split_once('}')
            && let Some((step, key)) = inside.rsplit_once('.')
        {
            rest = (!after.is_empty()).then_some(after);
            return Some((literal, Some((step, key))));
        }
        Some((text, None))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn published() -> Published {
        let outputs = BTreeMap::from([
            ("file".to_owned(), json!("/p")),
            ("n".to_owned(), json!([1, 2])),
        ]);
        BTreeMap::from([(StepId::from("l2-apply/plan"), outputs)])
    }

    #[test]
    fn whole_references_keep_their_type() {
        let value = json!({"a": "${steps.l2-apply/plan.n}", "b": "x ${steps.l2-apply/plan.file}/y", "c": 3});
        assert_eq!(
            resolve(&value, &published()).unwrap(),
            json!({"a": [1, 2], "b": "x /p/y", "c": 3})
        );
        assert_eq!(references(&value).len(), 2);
    }

    #[test]
    fn a_missing_key_is_named() {
        let missing = resolve(&json!("${steps.l2-apply/plan.nope}"), &published()).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "step `l2-apply/plan` has not published `nope`"
        );
    }

    #[test]
    fn other_dollars_stay() {
        assert_eq!(
            resolve(&json!("${HOME} $x ${steps.}"), &published()).unwrap(),
            json!("${HOME} $x ${steps.}")
        );
    }
}
