//! A state of OpenTofu: JSON with `terraform_version` and `lineage`. Values that a
//! provider or an output calls sensitive are listed in it, and stand in it in clear
//! text; older states list none, so names are looked at as well.

use serde_json::Value;

/// Parts of names whose values nobody shows.
const NAMES: [&str; 5] = ["password", "passwd", "secret", "token", "private_key"];

/// Whether `bytes` are a state that holds sensitive values.
pub(super) fn is_sensitive(bytes: &[u8]) -> bool {
    let Ok(state) = serde_json::from_slice::<Value>(bytes) else {
        return false;
    };
    let is_state = ["terraform_version", "lineage"]
        .iter()
        .all(|key| state.get(key).is_some());
    is_state && holds(&state)
}

fn holds(value: &Value) -> bool {
    match value {
        Value::Object(entries) => {
            let output = entries.get("sensitive") == Some(&Value::Bool(true))
                && entries.get("value").is_some_and(|value| !value.is_null());
            output
                || entries.iter().any(|(name, value)| {
                    let listed = name == "sensitive_attributes"
                        && value.as_array().is_some_and(|list| !list.is_empty());
                    listed || (is_named(name) && is_text(value)) || holds(value)
                })
        }
        Value::Array(items) => items.iter().any(holds),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn is_named(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    NAMES.iter().any(|part| name.contains(part))
}

fn is_text(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn state(more: &Value) -> Vec<u8> {
        let mut state =
            json!({"version": 4, "terraform_version": "1.9.0", "serial": 3, "lineage": "l"});
        let own = more.as_object().unwrap().clone();
        state.as_object_mut().unwrap().extend(own);
        serde_json::to_vec(&state).unwrap()
    }

    #[test]
    fn sensitive_values_are_found() {
        let attributes = |attributes: Value, listed: Value| {
            json!({"resources": [{"type": "vm", "instances": [
                {"attributes": attributes, "sensitive_attributes": listed}]}]})
        };
        for more in [
            json!({"outputs": {"key": {"value": "x", "type": "string", "sensitive": true}}}),
            attributes(
                json!({"a": "x"}),
                json!([[{"type": "get_attr", "value": "a"}]]),
            ),
            attributes(
                json!({"init": [{"user_account": {"Password": "x"}}]}),
                json!([]),
            ),
        ] {
            assert!(is_sensitive(&state(&more)), "{more}");
        }
        for more in [
            json!({}),
            json!({"outputs": {"ip": {"value": "192.0.2.1", "type": "string"}}}),
            attributes(
                json!({"password": null, "token": "", "name": "a"}),
                json!([]),
            ),
        ] {
            assert!(!is_sensitive(&state(&more)), "{more}");
        }
    }

    #[test]
    fn what_is_no_state_is_none() {
        assert!(!is_sensitive(b"{\"password\": \"x\", \"lineage\": 1}"));
        assert!(!is_sensitive(b"\"terraform_version\" \"lineage\""));
        // Encrypted by OpenTofu.
        assert!(!is_sensitive(
            b"{\"encrypted_data\": \"xx\", \"encryption_version\": \"v0\", \"lineage\": \"l\"}"
        ));
    }
}
