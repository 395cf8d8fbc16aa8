//! A question of `hl platform init`, and what of the lab could be its answer.

use serde_json::Value;

use super::answer::typed;
use super::model::{Input, Kind, Suggest};

/// An optional group without an adapter.
pub const NONE: &str = "none";

/// What a question is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// `platform.organization`
    Organization,
    /// `platform.app_name`
    AppName,
    /// The adapter of a group.
    Group(String),
    /// The version of an adapter's product.
    Version(String),
    /// An input of an adapter.
    Input(String, String),
}

impl About {
    /// As `--answer` names it.
    pub fn key(&self) -> String {
        match self {
            Self::Organization => "organization".to_owned(),
            Self::AppName => "app_name".to_owned(),
            Self::Group(group) => format!("group.{group}"),
            Self::Version(adapter) => format!("{adapter}.version"),
            Self::Input(adapter, input) => format!("{adapter}.{input}"),
        }
    }

    /// The adapter that it is about.
    pub fn adapter(&self) -> Option<&str> {
        match self {
            Self::Version(adapter) | Self::Input(adapter, _) => Some(adapter),
            Self::Organization | Self::AppName | Self::Group(_) => None,
        }
    }
}

/// Something that is still to be said.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What it is about.
    pub about: About,
    /// What is asked.
    pub prompt: String,
    /// What is said below: what it is for, and how it is typed.
    pub help: String,
    /// What may be chosen; empty: it is typed.
    pub choices: Vec<String>,
    /// What is taken when nothing is typed.
    pub default: Option<String>,
    /// Its type.
    pub kind: Kind,
    /// Why it is asked again.
    pub wrong: Option<String>,
    /// It may be left without an answer where there is no terminal: there is a default.
    pub settled: bool,
    /// The variable of a secret.
    pub variable: Option<String>,
    /// It has its value from another answer, once that is there.
    pub derived: bool,
}

impl Question {
    /// A question that is typed, without a default.
    pub(super) fn new(about: About, kind: Kind, prompt: impl Into<String>) -> Self {
        Self {
            about,
            prompt: prompt.into(),
            help: String::new(),
            choices: Vec::new(),
            default: None,
            kind,
            wrong: None,
            settled: false,
            variable: None,
            derived: false,
        }
    }

    /// The same with these to choose from.
    pub(super) fn choices(mut self, choices: Vec<String>) -> Self {
        self.choices = choices;
        self
    }
}

/// What the lab has that could be an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suggestions {
    /// Names of Proxmox nodes.
    pub nodes: Vec<String>,
    /// Names of environments.
    pub environments: Vec<String>,
    /// Machines that L2 published: name, address, id.
    pub machines: Vec<(String, String, u32)>,
}

impl Suggestions {
    /// What the lab has that could be the answer.
    pub(super) fn of(&self, input: &Input) -> Option<String> {
        let all = self;
        let names = |names: &[String]| match input.kind {
            Kind::List => (!names.is_empty()).then(|| names.join(",")),
            Kind::Text | Kind::Secret | Kind::Bool | Kind::Int | Kind::Choice | Kind::Records => {
                names.first().cloned()
            }
        };
        match input.suggest? {
            Suggest::Nodes => names(&all.nodes),
            Suggest::Environments => names(&all.environments),
            Suggest::Machines if input.kind == Kind::Records => {
                let records = all.machines.iter().enumerate();
                let records: Vec<Value> = records
                    .map(|(at, machine)| record(input, at, machine))
                    .collect();
                (!records.is_empty()).then(|| typed(&Value::Array(records)))
            }
            Suggest::Machines => {
                let addresses: Vec<String> =
                    all.machines.iter().map(|(_, ip, _)| ip.clone()).collect();
                names(&addresses)
            }
        }
    }
}

/// A machine with the fields that the input has. The first one gets the first of
/// choices, the others the last.
fn record(input: &Input, at: usize, (name, address, id): &(String, String, u32)) -> Value {
    let fields = input.fields.iter().filter_map(|field| {
        let value = match field.name.as_str() {
            "name" => Value::from(name.as_str()),
            "ip" | "address" => Value::from(address.as_str()),
            "id" | "vmid" => Value::from(*id),
            _ if field.kind == Kind::Choice => {
                let choice = if at == 0 {
                    field.choices.first()
                } else {
                    field.choices.last()
                };
                Value::from(choice?.as_str())
            }
            _ => return None,
        };
        Some((field.name.clone(), value))
    });
    Value::Object(fields.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn what_the_lab_has_is_suggested() {
        let all = Suggestions {
            nodes: vec!["pve".to_owned()],
            environments: vec!["dev".to_owned(), "prod".to_owned()],
            machines: vec![
                ("a".to_owned(), "10.0.0.5".to_owned(), 105),
                ("b".to_owned(), "10.0.0.6".to_owned(), 106),
            ],
        };
        let of = |input: Value| all.of(&from_value(input).unwrap());
        let machines = of(
            json!({"name": "x", "type": "records", "suggest": "machines", "fields": [
                {"name": "name"}, {"name": "ip"}, {"name": "vmid", "type": "int"},
                {"name": "role", "type": "choice", "choices": ["controlplane", "worker"]},
            ]}),
        );
        assert_eq!(
            machines.as_deref(),
            Some(
                "ip=10.0.0.5,name=a,role=controlplane,vmid=105; ip=10.0.0.6,name=b,role=worker,vmid=106"
            )
        );
        let lists = json!({"name": "x", "type": "list", "suggest": "environments"});
        assert_eq!(of(lists).as_deref(), Some("dev,prod"));
        let node = json!({"name": "x", "type": "text", "suggest": "nodes"});
        assert_eq!(of(node).as_deref(), Some("pve"));
        assert_eq!(of(json!({"name": "x", "type": "text"})), None);
    }
}
