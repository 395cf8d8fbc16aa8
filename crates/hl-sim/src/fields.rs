//! Settings that are kept as they were written, and given back by their types.

use std::collections::BTreeMap;
use std::fmt::Debug;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::error::{ApiError, bail};
use super::hex;
use super::kind::Kind;
use super::params::{Param, Params};

/// What one object says, key by key.
pub(super) type Fields = BTreeMap<String, String>;

/// What a key says; nothing when it is not there.
pub(super) fn text<'f>(fields: &'f Fields, key: &str) -> &'f str {
    fields.get(key).map_or("", String::as_str)
}

/// As the API gives it back: a yes, a no and a whole number are numbers.
pub(super) fn shown(fields: &Fields, table: &[Param]) -> Map<String, Value> {
    let value = |key: &str, text: &str| {
        let kind = table
            .iter()
            .find(|param| param.name == key)
            .map(|param| param.kind);
        match (kind, text.parse::<i64>()) {
            (Some(Kind::Bool | Kind::Int(..)), Ok(number)) => json!(number),
            _ => json!(text),
        }
    };
    let pairs = fields.iter();
    pairs
        .map(|(key, text)| (key.clone(), value(key, text)))
        .collect()
}

/// What a call gives of a table; `not` is left out.
pub(super) fn given(params: &Params, table: &[Param], not: &[&str]) -> Fields {
    let wanted = |key: &str| {
        table.iter().any(|param| param.name == key)
            && !not.contains(&key)
            && !matches!(key, "delete" | "digest")
    };
    params
        .iter()
        .filter(|(key, _)| wanted(key))
        .map(|(key, text)| (key.to_owned(), text.to_owned()))
        .collect()
}

/// Changes an object as a call says: `delete` goes, the rest of the table is set.
pub(super) fn change(
    fields: &mut Fields,
    params: &Params,
    table: &[Param],
    not: &[&str],
) -> Result<(), ApiError> {
    for key in params.parts("delete") {
        if !table.iter().any(|param| param.name == key) || not.contains(&key) {
            return Err(ApiError::param("delete", format!("no such option '{key}'")));
        }
        fields.remove(key);
    }
    fields.extend(given(params, table, not));
    Ok(())
}

/// A digest of whatever is kept, forty hexadecimal digits as those of Proxmox VE.
pub(super) fn digest<T: Debug + ?Sized>(what: &T) -> String {
    let hash = Sha256::digest(format!("{what:?}"));
    hex::lower(&hash).chars().take(40).collect()
}

/// Refuses a caller who saw something else.
pub(super) fn same<T: Debug + ?Sized>(params: &Params, what: &T) -> Result<(), ApiError> {
    match params.text("digest") {
        Some(seen) if !seen.is_empty() && seen != digest(what) => {
            bail!("detected modified configuration - file changed by other user? Try again.")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::opt;

    #[test]
    fn what_is_written_is_given_back_by_its_type() {
        let table = [
            opt("port", Kind::Int(1, 9)),
            opt("on", Kind::Bool),
            opt("text", Kind::Text),
        ];
        let mut params = Params::default();
        params.add_form(b"port=7&on=1&text=7&other=1&digest=");
        let mut fields = given(&params, &table, &["on"]);
        assert_eq!(
            Value::Object(shown(&fields, &table)),
            json!({"port": 7, "text": "7"})
        );
        let before = digest(&fields);
        let mut params = Params::default();
        params.add_form(b"delete=port,text&on=0");
        change(&mut fields, &params, &table, &[]).unwrap();
        assert_eq!(Value::Object(shown(&fields, &table)), json!({"on": 0}));
        assert_ne!(digest(&fields), before);
        let mut params = Params::default();
        params.add_form(b"delete=wings");
        let error = change(&mut fields, &params, &table, &[]).unwrap_err();
        assert_eq!(error.errors["delete"], "no such option 'wings'");
        let mut params = Params::default();
        params.set("digest", before);
        assert!(same(&params, &fields).is_err());
    }
}
