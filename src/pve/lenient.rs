//! Proxmox writes some numbers as strings and all booleans as 0 and 1, and not
//! always the same way in every version.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// `1`, `"1"`, `true`; absent and null are false (with `#[serde(default)]`).
pub(super) fn flag<'de, D: Deserializer<'de>>(input: D) -> Result<bool, D::Error> {
    match Value::deserialize(input)? {
        Value::Null => Ok(false),
        Value::Bool(value) => Ok(value),
        Value::Number(number) => Ok(number.as_f64() != Some(0.0)),
        Value::String(text) => Ok(!["", "0", "false", "no", "off"].contains(&text.as_str())),
        other @ (Value::Array(_) | Value::Object(_)) => {
            Err(D::Error::custom(format!("expected 0 or 1, found {other}")))
        }
    }
}

/// A whole number, also as a string; null is 0 (with `#[serde(default)]`).
pub(super) fn number<'de, D, T>(input: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let value = Value::deserialize(input)?;
    let found = match &value {
        Value::Null => Some(0),
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => text.trim().parse().ok(),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    found
        .and_then(|number| T::try_from(number).ok())
        .ok_or_else(|| D::Error::custom(format!("expected a whole number, found {value}")))
}

/// As [`number`], where absent and null mean that there is none.
pub(super) fn maybe_number<'de, D, T>(input: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let value = Value::deserialize(input)?;
    if value.is_null() {
        return Ok(None);
    }
    number(value).map(Some).map_err(D::Error::custom)
}

/// A text, also when it is sent as a number.
pub(super) fn text<'de, D: Deserializer<'de>>(input: D) -> Result<String, D::Error> {
    let value = Value::deserialize(input)?;
    Ok(plain(&value).unwrap_or_default())
}

/// A value as text, strings without quotes; null is none.
pub(super) fn plain(value: &Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    Some(
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned),
    )
}

/// A list that is sent as `a,b`.
pub(super) fn list<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    let text = Option::<String>::deserialize(input)?.unwrap_or_default();
    let items = text.split(',').map(str::trim).filter(|i| !i.is_empty());
    Ok(items.map(str::to_owned).collect())
}

/// Large sizes come as floats from some storages.
fn whole(number: f64) -> Option<u64> {
    (number >= 0.0 && number.fract() == 0.0)
        .then(|| format!("{number:.0}").parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Sample {
        #[serde(default, deserialize_with = "flag")]
        active: bool,
        #[serde(default, deserialize_with = "number")]
        vmid: u32,
        #[serde(default, deserialize_with = "maybe_number")]
        size: Option<u64>,
        #[serde(default, deserialize_with = "list")]
        content: Vec<String>,
    }

    #[test]
    fn both_spellings_are_read() {
        for text in [
            r#"{"active":1,"vmid":"100","size":1.5e10,"content":"iso, import"}"#,
            r#"{"active":"1","vmid":100,"size":"15000000000","content":"iso,import"}"#,
        ] {
            let sample: Sample = serde_json::from_str(text).unwrap();
            assert!(sample.active);
            assert_eq!((sample.vmid, sample.size), (100, Some(15_000_000_000)));
            assert_eq!(sample.content, ["iso", "import"]);
        }
        let empty: Sample = serde_json::from_str("{}").unwrap();
        assert!(!empty.active && empty.vmid == 0 && empty.size.is_none());
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(serde_json::from_str::<Sample>(r#"{"vmid":"x"}"#).is_err());
        assert!(serde_json::from_str::<Sample>(r#"{"active":[]}"#).is_err());
    }
}
