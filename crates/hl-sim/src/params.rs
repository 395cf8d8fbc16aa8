//! Parameters: read from query, form or JSON, and checked against a table.

use std::collections::BTreeMap;

use serde_json::Value;

use super::drive;
use super::error::ApiError;
use super::keys;
use super::kind::{Kind, VMID};
use super::size;
use super::vm::GuestKind;

/// A parameter of an endpoint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
}

/// A parameter that must be there.
pub(super) const fn req(name: &'static str, kind: Kind) -> Param {
    Param {
        name,
        kind,
        required: true,
    }
}

/// A parameter that may be there.
pub(super) const fn opt(name: &'static str, kind: Kind) -> Param {
    Param {
        name,
        kind,
        required: false,
    }
}

/// What stands between the texts of a parameter that was given several times.
const BETWEEN: char = '\0';

/// The parameters of a call, all as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Params(BTreeMap<String, String>);

impl Params {
    /// Adds what a query or a form holds; what it repeats is a list.
    pub(super) fn add_form(&mut self, text: &[u8]) {
        let mut found = Self::default();
        for (name, value) in form_urlencoded::parse(text) {
            found.push(&name, &value);
        }
        self.0.extend(found.0);
    }

    /// Writes lists with commas where a parameter is one text.
    pub(super) fn settle(&mut self, table: &[Param]) {
        for (name, value) in &mut self.0 {
            let listed = table.iter().find(|param| param.name == name);
            if !listed.is_some_and(|param| matches!(param.kind, Kind::List)) {
                *value = value.replace(BETWEEN, ",");
            }
        }
    }

    /// The texts of one that is a list.
    pub(super) fn texts(&self, name: &str) -> Vec<&str> {
        self.text(name)
            .map_or_else(Vec::new, |text| text.split(BETWEEN).collect())
    }

    /// The parts of one, between commas, semicolons and white space.
    pub(super) fn parts(&self, name: &str) -> Vec<&str> {
        parts(self.text(name).unwrap_or_default())
    }

    /// Adds what a JSON object holds.
    pub(super) fn add_json(&mut self, text: &[u8]) -> Result<(), ApiError> {
        let wrong = |detail: String| ApiError::new(400, format!("malformed JSON: {detail}"));
        let value: Value = serde_json::from_slice(text).map_err(|e| wrong(e.to_string()))?;
        let Value::Object(fields) = value else {
            return Err(wrong("not an object".to_owned()));
        };
        for (name, value) in fields {
            if let Some(text) = plain(&value) {
                self.0.insert(name, text);
            }
        }
        Ok(())
    }

    /// Adds one parameter.
    pub(super) fn set(&mut self, name: &str, value: impl Into<String>) {
        self.0.insert(name.to_owned(), value.into());
    }

    /// Adds one parameter; one that is there already becomes a list.
    pub(super) fn push(&mut self, name: &str, value: &str) {
        if let Some(list) = self.0.get_mut(name) {
            list.push(BETWEEN);
            list.push_str(value);
        } else {
            self.set(name, value);
        }
    }

    /// Drops what the path says already. Clients repeat it, and a node takes it
    /// when it is the same.
    pub(super) fn drop_repeated(
        &mut self,
        path: &BTreeMap<&'static str, String>,
    ) -> Result<(), ApiError> {
        for (name, value) in path {
            match self.0.remove(*name) {
                Some(repeated) if repeated != *value => {
                    return Err(ApiError::param(name, CONFLICT));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The text of one.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The text of one that the table requires.
    pub(super) fn must(&self, name: &str) -> Result<&str, ApiError> {
        self.text(name)
            .ok_or_else(|| ApiError::param(name, MISSING))
    }

    /// One as a number.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// One as a VMID.
    pub(super) fn vmid(&self, name: &str) -> Result<u32, ApiError> {
        self.must(name)?
            .parse()
            .map_err(|_| ApiError::param(name, "type check ('integer') failed"))
    }

    /// One as a yes or no.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        drive::boolean(self.text(name)?)
    }

    /// Whether one is there and a yes.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.flag(name).unwrap_or(false)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Checks them against a table; `guest` lets the keys of its config in.
    pub(super) fn check(&self, table: &[Param], guest: Option<GuestKind>) -> Result<(), ApiError> {
        let mut errors = BTreeMap::new();
        for (name, value) in &self.0 {
            let listed = table.iter().find(|param| param.name == name);
            let kind = match listed {
                Some(param) => Some(param.kind),
                None => guest.and_then(|guest| Some(keys::find(guest, name)?.kind)),
            };
            let result = match kind {
                Some(kind) => kind.check(value),
                None => Err(UNKNOWN.to_owned()),
            };
            if let Err(text) = result {
                errors.insert(name.clone(), text);
            }
        }
        for param in table.iter().filter(|param| param.required) {
            if !self.0.contains_key(param.name) {
                errors.insert(param.name.to_owned(), MISSING.to_owned());
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(ApiError::params(errors))
        }
    }
}

const MISSING: &str = "property is missing and it is not optional";
const CONFLICT: &str = "duplicate parameter (already defined in URI) with conflicting values!";
const UNKNOWN: &str =
    "property is not defined in schema and the schema does not allow additional properties";

impl Kind {
    /// Checks a value; the error is the text that Proxmox VE gives.
    pub(super) fn check(self, value: &str) -> Result<(), String> {
        let failed = |name: &str| format!("type check ('{name}') failed - got '{value}'");
        match self {
            Kind::Short(most) if value.chars().count() > most => {
                Err(format!("value may only be {most} characters long"))
            }
            Kind::Text | Kind::Short(_) | Kind::List => Ok(()),
            Kind::Like(check) => check(value),
            // Words such as `on` are for property strings only.
            Kind::Bool if matches!(value, "0" | "1") => Ok(()),
            Kind::Bool => Err(failed("boolean")),
            Kind::Number => match value.parse::<f64>() {
                Ok(_) => Ok(()),
                Err(_) => Err(failed("number")),
            },
            Kind::Vmid => VMID.check(value),
            Kind::Int(least, most) => {
                let number: i64 = value.parse().map_err(|_| failed("integer"))?;
                if number < least {
                    Err(format!("value must have a minimum value of {least}"))
                } else if number > most {
                    Err(format!("value must have a maximum value of {most}"))
                } else {
                    Ok(())
                }
            }
            Kind::Enum(names) if names.contains(&value) => Ok(()),
            Kind::Enum(names) => Err(format!(
                "value '{value}' does not have a value in the enumeration '{}'",
                names.join(", ")
            )),
            Kind::DnsName if is_dns_name(value) => Ok(()),
            Kind::DnsName => {
                Err("invalid format - value does not look like a valid DNS name".to_owned())
            }
            Kind::Id if is_id(value) => Ok(()),
            Kind::Id => Err(format!(
                "invalid format - value '{value}' is not a valid ID"
            )),
            Kind::DiskSize => {
                let plain = value.strip_prefix('+').unwrap_or(value);
                match size::parse(plain) {
                    Some(_) => Ok(()),
                    None => Err("value does not match the regex pattern".to_owned()),
                }
            }
        }
    }
}

/// The parts of a list, between commas, semicolons and white space.
pub(super) fn parts(text: &str) -> Vec<&str> {
    text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | BETWEEN))
        .filter(|part| !part.is_empty())
        .collect()
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(yes) => Some(if *yes { "1" } else { "0" }.to_owned()),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().filter_map(plain).collect();
            Some(items.join(&BETWEEN.to_string()))
        }
        Value::Number(_) | Value::Object(_) => Some(value.to_string()),
    }
}

fn is_dns_name(text: &str) -> bool {
    !text.is_empty()
        && text.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        let mut params = Params::default();
        params.add_form(text.as_bytes());
        params
    }

    #[test]
    fn the_texts_of_the_table() {
        let table = [
            req("newid", Kind::Vmid),
            opt("full", Kind::Bool),
            opt("name", Kind::DnsName),
            req("target", Kind::Id),
        ];
        let error = params("newid=7&full=perhaps&name=a_b&wings=2")
            .check(&table, None)
            .unwrap_err();
        assert_eq!(error.status, 400);
        assert_eq!(
            error.errors["newid"],
            "value must have a minimum value of 100"
        );
        assert_eq!(
            error.errors["full"],
            "type check ('boolean') failed - got 'perhaps'"
        );
        assert!(error.errors["name"].starts_with("invalid format - "));
        assert_eq!(error.errors["target"], MISSING);
        assert_eq!(error.errors["wings"], UNKNOWN);
        let error = params("newid=x&target=pve")
            .check(&table, None)
            .unwrap_err();
        assert_eq!(
            error.errors["newid"],
            "type check ('integer') failed - got 'x'"
        );
        params("newid=100&target=pve&full=1&name=web-1.lab")
            .check(&table, None)
            .unwrap();
    }

    #[test]
    fn what_the_path_says_may_be_repeated() {
        let path = BTreeMap::from([("vmid", "103".to_owned()), ("node", "pve".to_owned())]);
        let mut given = params("vmid=103&tags=a");
        given.drop_repeated(&path).unwrap();
        assert_eq!(given, params("tags=a"));
        let mut json = Params::default();
        json.add_json(br#"{"vmid":103,"node":"other"}"#).unwrap();
        let error = json.drop_repeated(&path).unwrap_err();
        assert_eq!(error.status, 400);
        assert_eq!(error.errors["node"], CONFLICT);
    }

    #[test]
    fn long_texts_are_refused() {
        assert!(Kind::Short(3).check("äöü").is_ok());
        assert_eq!(
            Kind::Short(3).check("äöüß").unwrap_err(),
            "value may only be 3 characters long"
        );
    }

    #[test]
    fn form_and_json_are_the_same() {
        let form = params("cores=2&onboot=1&name=a%20b&tags=x%2Cy");
        let mut json = Params::default();
        json.add_json(br#"{"cores":2,"onboot":true,"name":"a b","tags":["x","y"],"z":null}"#)
            .unwrap();
        json.settle(&[]);
        assert_eq!(form, json);
        assert!(json.add_json(b"[1]").is_err());
        assert!(json.add_json(b"{").is_err());
    }

    #[test]
    fn what_is_repeated_is_a_list() {
        let table = [opt("command", Kind::List), opt("vms", Kind::Text)];
        let mut given = params("command=ls&command=-l,a&vms=100&vms=101");
        given.settle(&table);
        assert_eq!(given.texts("command"), ["ls", "-l,a"]);
        assert_eq!(given.text("vms"), Some("100,101"));
        assert_eq!(parts("a, b;c\0d  "), ["a", "b", "c", "d"]);
        given.add_form(b"vms=7");
        assert_eq!(given.text("vms"), Some("7"), "what comes later replaces");
        assert!(Kind::Bool.check("true").is_err());
    }

    #[test]
    fn sizes_may_have_a_plus() {
        for (text, ok) in [
            ("+1G", true),
            ("10G", true),
            ("10737418240", true),
            ("-1G", false),
            ("x", false),
        ] {
            assert_eq!(Kind::DiskSize.check(text).is_ok(), ok, "{text}");
        }
    }
}
