//! What adapters agree on: the capabilities that hand data on, field by field.

use serde_json::{Map, Value};

use super::format::is_endpoint;

/// What a field of a capability holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Text,
    Bool,
    Endpoint,
    /// `>=1.28`
    Least,
    Texts,
    /// Addresses to ids.
    Ids,
}

/// A field of a capability.
struct Part {
    name: &'static str,
    holds: Holds,
    required: bool,
}

/// A capability whose data is agreed on.
struct Contract {
    capability: &'static str,
    parts: &'static [Part],
}

const fn must(name: &'static str, holds: Holds) -> Part {
    Part {
        name,
        holds,
        required: true,
    }
}

const fn may(name: &'static str, holds: Holds) -> Part {
    Part {
        name,
        holds,
        required: false,
    }
}

const CONTRACTS: &[Contract] = &[
    Contract {
        capability: "cloud-infrastructure",
        parts: &[
            must("provider", Holds::Text),
            must("server_ids", Holds::Ids),
            must("rescue_mode_enabled", Holds::Bool),
        ],
    },
    Contract {
        capability: "cni",
        parts: &[
            must("manifests", Holds::Text),
            may("cni_conf", Holds::Text),
            may("ready", Holds::Bool),
        ],
    },
    Contract {
        capability: "gateway-api",
        parts: &[
            must("version", Holds::Text),
            must("crds_embedded", Holds::Bool),
        ],
    },
    Contract {
        capability: "infrastructure-provisioning",
        parts: &[
            must("operator_version", Holds::Text),
            must("namespace", Holds::Text),
            must("installed_providers", Holds::Texts),
            must("crds_ready", Holds::Bool),
        ],
    },
    Contract {
        capability: "kubernetes-api",
        parts: &[
            must("cluster_endpoint", Holds::Endpoint),
            must("kubeconfig_path", Holds::Text),
            must("version", Holds::Least),
        ],
    },
    Contract {
        capability: "local-storage",
        parts: &[
            must("provider", Holds::Text),
            must("storage_class", Holds::Text),
            must("namespace", Holds::Text),
        ],
    },
    Contract {
        capability: "secrets-management",
        parts: &[
            must("provider", Holds::Text),
            may("s3_bucket", Holds::Text),
            must("sops_config_path", Holds::Text),
        ],
    },
];

/// The fields that a capability has, with whether each must be given; nothing where
/// it hands no data on.
pub fn fields(capability: &str) -> Option<Vec<(&'static str, bool)>> {
    let parts = find(capability)?.parts.iter();
    Some(parts.map(|part| (part.name, part.required)).collect())
}

/// The capabilities that hand data on.
pub fn names() -> impl Iterator<Item = &'static str> + Clone {
    CONTRACTS.iter().map(|contract| contract.capability)
}

/// What is wrong with rendered data of a capability, each with the field it is in.
pub(super) fn misfits(capability: &str, data: &Map<String, Value>) -> Vec<(String, String)> {
    let Some(contract) = find(capability) else {
        return Vec::new();
    };
    let given = data.iter();
    given
        .filter_map(|(name, value)| {
            let part = contract.parts.iter().find(|part| part.name == name)?;
            let expected = part.holds.expected(value)?;
            let message = format!(
                "`{name}` of capability `{capability}` is {}, expected {expected}",
                kind(value)
            );
            Some((name.clone(), message))
        })
        .collect()
}

fn find(capability: &str) -> Option<&'static Contract> {
    CONTRACTS
        .iter()
        .find(|contract| contract.capability == capability)
}

impl Holds {
    /// What was expected instead, where the value does not do.
    fn expected(self, value: &Value) -> Option<&'static str> {
        let fits = match self {
            Self::Text => value.is_string(),
            Self::Bool => value.is_boolean(),
            Self::Endpoint => value.as_str().is_some_and(is_endpoint),
            Self::Least => value.as_str().is_some_and(is_least),
            Self::Texts => value
                .as_array()
                .is_some_and(|items| items.iter().all(Value::is_string)),
            Self::Ids => value.as_object().is_some_and(|ids| {
                let mut ids = ids.values();
                ids.all(|id| id.is_string() || id.is_i64() || id.is_u64())
            }),
        };
        (!fits).then_some(match self {
            Self::Text => "text",
            Self::Bool => "`true` or `false`",
            Self::Endpoint => "HOST:PORT",
            Self::Least => "a least version such as `>=1.28`",
            Self::Texts => "a list of texts",
            Self::Ids => "a mapping from addresses to ids",
        })
    }
}

/// `>=1.28`
fn is_least(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = text
        .strip_prefix(">=")
        .and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(major, minor)| number(major) && number(minor))
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() <= 40 => format!("`{text}`"),
        Value::String(_) => "a long text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn data_is_held_against_its_contract() {
        let right = json!({"cluster_endpoint": "10.0.0.5:6443", "kubeconfig_path": "k", "version": ">=1.36"});
        let wrong =
            json!({"cluster_endpoint": "10.0.0.5", "kubeconfig_path": 3, "version": "1.36"});
        let of = |value: &Value| misfits("kubernetes-api", value.as_object().unwrap());
        assert_eq!(of(&right), []);
        let said: Vec<String> = of(&wrong).into_iter().map(|(_, said)| said).collect();
        assert_eq!(
            said,
            [
                "`cluster_endpoint` of capability `kubernetes-api` is `10.0.0.5`, expected HOST:PORT",
                "`kubeconfig_path` of capability `kubernetes-api` is the number 3, expected text",
                "`version` of capability `kubernetes-api` is `1.36`, expected a least version such as `>=1.28`",
            ]
        );
        assert!(fields("git-credentials").is_none());
        assert!(names().all(|name| fields(name).is_some()));
    }
}
