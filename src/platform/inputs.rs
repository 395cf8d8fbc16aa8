//! What an adapter is told in the end: what the file gives, what is derived, defaults.

use minijinja::Value as Jinja;
use minijinja::value::Serde;
use serde_json::{Map, Value, json};

use super::engine::{TemplateFault, engine, evaluate, is_true};
use super::model::{Adapter, Input, Kind};
use super::values::misfits;

/// Something of the platform that inputs may depend on.
#[derive(Debug, Clone)]
pub(super) struct Around {
    /// `platform`: organization and name.
    pub platform: Value,
    /// The adapter of each group.
    pub selected: Map<String, Value>,
    /// What each adapter is told, with its defaults.
    pub adapters: Map<String, Value>,
    /// The adapter's release.
    pub release: Value,
}

/// What becomes of an input.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum State {
    /// It has a value.
    Has(Value),
    /// It has none, and needs none.
    None,
    /// Its value is in a variable.
    Secret,
    /// Nobody gives it a value.
    Open,
    /// Its value is not right, and why.
    Wrong(String),
}

/// What becomes of each input, in their order.
pub(super) fn states<'a>(
    adapter: &'a Adapter,
    given: &Map<String, Value>,
    around: &Around,
) -> Vec<(&'a Input, State)> {
    let mut inputs = Map::new();
    let mut states = Vec::new();
    for input in &adapter.definition.inputs {
        let state = state(input, given.get(&input.name), around, &inputs);
        let value = match &state {
            State::Has(value) => value.clone(),
            State::None | State::Secret | State::Open | State::Wrong(_) => Value::Null,
        };
        inputs.insert(input.name.clone(), value);
        states.push((input, state));
    }
    states
}

fn state(
    input: &Input,
    given: Option<&Value>,
    around: &Around,
    inputs: &Map<String, Value>,
) -> State {
    let engine = engine([]);
    let context = |value: Option<&Value>| context(around, inputs, value);
    let wrong = |fault: TemplateFault| State::Wrong(fault.message);
    if let Some(skip) = &input.skip {
        match is_true(&engine, skip, &context(None)) {
            Ok(true) => return State::None,
            Ok(false) => {}
            Err(fault) => return wrong(fault),
        }
    }
    if input.kind == Kind::Secret {
        return State::Secret;
    }
    let value = match (given, &input.derive) {
        (Some(value), _) => value.clone(),
        (None, Some(derive)) => match derived(&engine, derive, &context(None)) {
            Some(value) => value,
            None => match &input.default {
                Some(default) => default.clone(),
                None if input.optional => return State::None,
                None => return State::Open,
            },
        },
        (None, None) => match &input.default {
            Some(default) => default.clone(),
            None if input.optional => return State::None,
            None => return State::Open,
        },
    };
    if let Some(misfit) = misfits(input, &value).into_iter().next() {
        return State::Wrong(misfit.message);
    }
    if let Some(check) = &input.check {
        match is_true(&engine, check, &context(Some(&value))) {
            Ok(true) => {}
            Ok(false) => {
                let message = input.message.clone().unwrap_or_else(|| {
                    format!("`{}` does not pass its check: {check}", input.name)
                });
                return State::Wrong(message);
            }
            Err(fault) => return wrong(fault),
        }
    }
    State::Has(value)
}

/// What an expression gives. One that needs what is not known yet gives nothing.
fn derived(engine: &minijinja::Environment<'_>, derive: &str, context: &Jinja) -> Option<Value> {
    let value = evaluate(engine, derive, context).ok()?;
    let value = serde_json::to_value(&value).ok()?;
    (!value.is_null() && value != json!("")).then_some(value)
}

fn context(around: &Around, inputs: &Map<String, Value>, value: Option<&Value>) -> Jinja {
    Jinja::from(Serde(json!({
        "platform": around.platform,
        "selected": around.selected,
        "adapters": around.adapters,
        "release": around.release,
        "inputs": inputs,
        "value": value,
    })))
}

/// What an adapter is told, with its defaults: what others may look at.
pub(super) fn with_defaults(adapter: &Adapter, given: &Map<String, Value>) -> Value {
    let inputs = adapter.definition.inputs.iter();
    let inputs = inputs.filter(|input| input.kind != Kind::Secret);
    let all: Map<String, Value> = inputs
        .map(|input| {
            let value = given.get(&input.name).or(input.default.as_ref());
            (input.name.clone(), value.cloned().unwrap_or(Value::Null))
        })
        .collect();
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::from_value;

    fn of(input: &Value, given: Option<&Value>, inputs: &Value) -> State {
        let input: Input = from_value(input.clone()).unwrap();
        let around = Around {
            platform: json!({"organization": "acme", "app_name": "acme-lab"}),
            selected: from_value(json!({"os": "k3s"})).unwrap(),
            adapters: Map::new(),
            release: json!({"name": "1"}),
        };
        state(&input, given, &around, inputs.as_object().unwrap())
    }

    #[test]
    fn a_value_is_given_or_derived_or_a_default_or_missing() {
        let cluster = json!({"name": "cluster", "type": "text", "derive": "selected.os",
            "check": "value == selected.os", "message": "another one is selected"});
        let none = json!({});
        assert_eq!(of(&cluster, None, &none), State::Has(json!("k3s")));
        let wrong = of(&cluster, Some(&json!("talos")), &none);
        assert_eq!(wrong, State::Wrong("another one is selected".to_owned()));
        let asn = json!({"name": "asn", "type": "int", "skip": "not inputs.bgp"});
        assert_eq!(of(&asn, None, &json!({"bgp": false})), State::None);
        assert_eq!(of(&asn, None, &json!({"bgp": true})), State::Open);
        let derived =
            json!({"name": "x", "type": "text", "derive": "selected.cloud", "default": "d"});
        assert_eq!(of(&derived, None, &none), State::Has(json!("d")));
        let optional = json!({"name": "x", "type": "text", "optional": true});
        assert_eq!(of(&optional, None, &none), State::None);
    }
}
