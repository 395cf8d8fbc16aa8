//! What `hl platform init` still has to ask, from what is said so far.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::adapters::Adapters;
use super::answer::{parse_answer, typed};
use super::draft::Told;
use super::inputs::{Around, State, states, with_defaults};
use super::model::{Adapter, Group, Input, Kind, Release};
use super::question::{About, NONE, Question, Suggestions};
use super::table::{is_app_name, is_name};
use super::values::misfits;

/// The questions of a lab.
#[derive(Debug)]
pub struct Questions<'a> {
    /// The adapters there are.
    pub adapters: &'a Adapters,
    /// What could be an answer.
    pub suggestions: Suggestions,
}

impl Questions<'_> {
    /// All that is still to be asked, in its order. What depends on an answer comes
    /// when that is there.
    pub fn open(&self, told: &Told) -> Vec<Question> {
        let mut open = Vec::new();
        open.extend(Self::names(told));
        let groups = self.groups(told);
        let undecided = !groups.is_empty();
        open.extend(groups);
        if undecided {
            return open;
        }
        let around = self.around(told);
        for (name, given) in &told.adapters {
            if let Some(adapter) = self.adapters.get(name) {
                open.extend(self.of_adapter(adapter, given, told, &around));
            }
        }
        // What others decide is asked for when they have not.
        if open
            .iter()
            .any(|question| !question.derived && !question.settled)
        {
            open.retain(|question| !question.derived);
        }
        open
    }

    /// Chooses where there is nothing to choose: for groups of one adapter, and
    /// versions where there is one.
    pub fn settle(&self, told: &mut Told) {
        if !self.groups(told).is_empty() {
            return;
        }
        for (group, members) in self.by_group() {
            let [(name, about)] = members.as_slice() else {
                continue;
            };
            let is_taken = told.of(name).is_some();
            let is_due = told.fresh || self.is_required(told, name);
            if !is_taken && !about.optional && !told.declined.contains(&group) && is_due {
                told.of_mut(name);
            }
        }
        let names: Vec<String> = told.adapters.iter().map(|(name, _)| name.clone()).collect();
        for name in names {
            let releases = self.adapters.get(&name).map(|a| &a.definition.releases);
            if let Some([release]) = releases.map(Vec::as_slice)
                && let Some(given) = told.of_mut(&name)
                && !given.contains_key("version")
            {
                given.insert("version".to_owned(), Value::from(release.name.as_str()));
            }
        }
    }

    /// These adapters, and of those that were there the ones that they require; what is
    /// known of them stays.
    pub fn choose(&self, told: &mut Told, names: &[String]) {
        let (kept, mut others): (Vec<_>, Vec<_>) = std::mem::take(&mut told.adapters)
            .into_iter()
            .partition(|(name, _)| names.contains(name));
        told.adapters = kept;
        for name in names {
            told.of_mut(name);
        }
        loop {
            let missing = self.missing(told);
            let is_required = |(name, _): &(String, _)| {
                let adapter = self.adapters.get(name);
                adapter.is_some_and(|own| missing.iter().any(|missing| own.provides(missing)))
            };
            let Some(at) = others.iter().position(is_required) else {
                return;
            };
            told.adapters.push(others.remove(at));
        }
    }

    /// An input of an adapter.
    fn input(&self, adapter: &str, name: &str) -> Option<(&Adapter, &Input)> {
        let adapter = self.adapters.get(adapter)?;
        let mut inputs = adapter.definition.inputs.iter();
        Some((adapter, inputs.find(|input| input.name == name)?))
    }

    /// Whether a chosen adapter requires what this one provides.
    fn is_required(&self, told: &Told, name: &str) -> bool {
        let Some(candidate) = self.adapters.get(name) else {
            return false;
        };
        let missing = self.missing(told);
        missing.iter().any(|missing| candidate.provides(missing))
    }

    /// Capabilities that chosen adapters require and none of them provides.
    fn missing(&self, told: &Told) -> Vec<String> {
        let chosen: Vec<&Adapter> = told
            .adapters
            .iter()
            .filter_map(|(name, _)| self.adapters.get(name))
            .collect();
        let provided = |capability: &str| chosen.iter().any(|own| own.provides(capability));
        let requires = chosen
            .iter()
            .flat_map(|adapter| &adapter.definition.requires);
        requires
            .filter(|requires| !provided(&requires.capability))
            .map(|requires| requires.capability.clone())
            .collect()
    }

    /// What is wrong with an answer.
    ///
    /// # Errors
    /// What, as it is told.
    pub fn check(&self, question: &Question, value: &Value, told: &Told) -> Result<(), String> {
        let text = value.as_str().unwrap_or_default();
        match &question.about {
            About::Organization if is_name(text) => Ok(()),
            About::Organization => {
                Err("expected lower-case letters, digits and `-`, a letter first".to_owned())
            }
            About::AppName => {
                let organization = told.organization.as_deref().unwrap_or_default();
                if is_app_name(organization, text) {
                    return Ok(());
                }
                Err(format!(
                    "expected `{organization}` or `{organization}-NAME`"
                ))
            }
            About::Group(_) | About::Version(_) => {
                if question.choices.iter().any(|choice| choice == text) {
                    return Ok(());
                }
                Err(format!("expected one of {}", question.choices.join(", ")))
            }
            About::Input(adapter, name) => {
                let Some((adapter, input)) = self.input(adapter, name) else {
                    return Ok(());
                };
                if let Some(misfit) = misfits(input, value).into_iter().next() {
                    return Err(misfit.message);
                }
                if input.kind == Kind::Secret {
                    return Ok(());
                }
                let mut after = told.clone();
                if let Some(given) = after.of_mut(adapter.name()) {
                    given.insert(name.clone(), value.clone());
                }
                let given = after.of(adapter.name()).cloned().unwrap_or_default();
                let around = with_release(self.around(&after), adapter, &given);
                for (input, state) in states(adapter, &given, &around) {
                    if let (true, State::Wrong(why)) = (input.name == *name, state) {
                        return Err(why);
                    }
                }
                Ok(())
            }
        }
    }

    /// The question that a key of `--answer` names, open or not.
    pub fn named(&self, key: &str, told: &Told) -> Option<Question> {
        let bare = |about: About, kind: Kind| Question::new(about, kind, "");
        match key.split_once('.') {
            None if key == "organization" => Some(bare(About::Organization, Kind::Text)),
            None if key == "app_name" => Some(bare(About::AppName, Kind::Text)),
            None => None,
            Some(("group", group)) => {
                let mut groups = self.by_group().into_iter();
                let (_, members) = groups.find(|(name, _)| name == group)?;
                let optional = members.iter().any(|(_, group)| group.optional);
                let mut choices: Vec<String> = members.into_iter().map(|(name, _)| name).collect();
                if optional {
                    choices.push(NONE.to_owned());
                }
                Some(bare(About::Group(group.to_owned()), Kind::Choice).choices(choices))
            }
            Some((name, key)) => {
                told.of(name)?;
                let adapter = self.adapters.get(name)?;
                if key == "version" {
                    let releases = adapter.definition.releases.iter();
                    let choices = releases.map(|release| release.name.clone()).collect();
                    let about = About::Version(name.to_owned());
                    return Some(bare(about, Kind::Choice).choices(choices));
                }
                let (_, input) = self.input(name, key)?;
                let about = About::Input(name.to_owned(), key.to_owned());
                let mut question = bare(about, input.kind).choices(input.choices.clone());
                question.variable.clone_from(&input.variable);
                Some(question)
            }
        }
    }

    /// The value that a text stands for, as an answer to a question.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn answer(&self, question: &Question, text: &str, told: &Told) -> Result<Value, String> {
        let value = match &question.about {
            About::Input(adapter, name) => match self.input(adapter, name) {
                Some((_, input)) => parse_answer(input, text)?,
                None => Value::from(text.trim()),
            },
            About::Organization | About::AppName | About::Group(_) | About::Version(_) => {
                Value::from(text.trim())
            }
        };
        self.check(question, &value, told)?;
        Ok(value)
    }

    /// What is said with an answer to it. A secret is the caller's to keep.
    pub fn take(&self, question: &Question, value: Value, told: &mut Told) {
        match &question.about {
            About::Organization => told.organization = value.as_str().map(str::to_owned),
            About::AppName => told.app_name = value.as_str().map(str::to_owned),
            About::Group(group) => {
                let members = self.by_group().into_iter();
                let others = members.filter(|(name, _)| name == group);
                let others: Vec<String> = others
                    .flat_map(|(_, members)| members)
                    .map(|(name, _)| name)
                    .collect();
                let chosen = value.as_str().unwrap_or_default();
                told.adapters
                    .retain(|(name, _)| name == chosen || !others.contains(name));
                if chosen == NONE {
                    told.declined.insert(group.clone());
                } else {
                    told.of_mut(chosen);
                }
            }
            About::Version(adapter) => {
                if let Some(given) = told.of_mut(adapter) {
                    given.insert("version".to_owned(), value);
                }
            }
            About::Input(adapter, name) => {
                if let Some(variable) = &question.variable {
                    told.secrets.insert(variable.clone());
                } else if let Some(given) = told.of_mut(adapter) {
                    given.insert(name.clone(), value);
                }
            }
        }
    }

    /// A default is left as it is.
    pub fn leave(question: &Question, told: &mut Told) {
        match &question.about {
            About::Input(adapter, name) => {
                told.seen.insert((adapter.clone(), name.clone()));
            }
            About::Version(adapter) => {
                if let (Some(given), Some(version)) = (told.of_mut(adapter), &question.default) {
                    given.insert("version".to_owned(), Value::from(version.as_str()));
                }
            }
            About::Organization | About::AppName | About::Group(_) => {}
        }
    }

    fn names(told: &Told) -> Vec<Question> {
        let mut open = Vec::new();
        let ask = |about: About, prompt: &str, help: &str, default: Option<String>| Question {
            help: help.to_owned(),
            default,
            ..Question::new(about, Kind::Text, prompt)
        };
        let organization = told.organization.as_deref().filter(|name| is_name(name));
        if organization.is_none() {
            let help = "a short name in lower case; it is in the names of what is made";
            open.push(ask(About::Organization, "Organization:", help, None));
        }
        let fits = |name: &str| organization.is_some_and(|own| is_app_name(own, name));
        if told.app_name.as_deref().is_none_or(|name| !fits(name)) {
            let default = organization.map(|organization| format!("{organization}-lab"));
            let help = "begins with the organization";
            open.push(ask(About::AppName, "Name of the platform:", help, default));
        }
        open
    }

    /// The groups by order and name, each with its adapters.
    fn by_group(&self) -> Vec<(String, Vec<(String, Group)>)> {
        let mut groups: BTreeMap<String, Vec<(String, Group)>> = BTreeMap::new();
        for adapter in self.adapters.iter() {
            if let Some(group) = &adapter.definition.adapter.group {
                let members = groups.entry(group.name.clone()).or_default();
                members.push((adapter.name().to_owned(), group.clone()));
            }
        }
        let mut groups: Vec<_> = groups.into_iter().collect();
        let order =
            |members: &[(String, Group)]| members.iter().map(|(_, group)| group.order).min();
        groups.sort_by_key(|(_, members)| order(members));
        groups
    }

    fn groups(&self, told: &Told) -> Vec<Question> {
        let missing = self.missing(told);
        let is_wanted = |members: &[(String, Group)]| {
            // A file that has adapters was decided; what it lacks is asked for.
            told.fresh
                || members.iter().any(|(name, _)| {
                    let adapter = self.adapters.get(name);
                    adapter.is_some_and(|own| missing.iter().any(|missing| own.provides(missing)))
                })
        };
        let chosen = |group: &str| {
            let mut all = told.adapters.iter();
            all.any(|(name, _)| {
                let adapter = self.adapters.get(name);
                adapter.and_then(Adapter::group) == Some(group)
            })
        };
        let mut open = Vec::new();
        for (group, members) in self.by_group() {
            let optional = members.iter().any(|(_, group)| group.optional);
            let is_choice = members.len() > 1 || optional;
            if chosen(&group) || told.declined.contains(&group) || !is_choice {
                continue;
            }
            if !is_wanted(&members) {
                continue;
            }
            let default = members.iter().find(|(_, group)| group.default);
            let default = default.or_else(|| members.first());
            let prompts = members.iter().map(|(_, group)| group.prompt.as_str());
            let prompt = prompts.clone().find(|prompt| !prompt.is_empty());
            let mut choices: Vec<String> = members.iter().map(|(name, _)| name.clone()).collect();
            if optional {
                choices.push(NONE.to_owned());
            }
            let prompt = prompt.map_or_else(|| format!("Adapter of group {group}:"), str::to_owned);
            let question = Question::new(About::Group(group), Kind::Choice, prompt);
            open.push(Question {
                default: default.map(|(name, _)| name.clone()),
                ..question.choices(choices)
            });
        }
        open
    }

    fn around(&self, told: &Told) -> Around {
        let mut selected = Map::new();
        let mut adapters = Map::new();
        for (name, given) in &told.adapters {
            if let Some(adapter) = self.adapters.get(name) {
                adapters.insert(name.clone(), with_defaults(adapter, given));
                if let Some(group) = adapter.group() {
                    selected.insert(group.to_owned(), Value::from(name.as_str()));
                }
            }
        }
        Around {
            platform: json!({
                "organization": told.organization,
                "app_name": told.app_name,
            }),
            selected,
            adapters,
            release: Value::Null,
        }
    }

    fn of_adapter(
        &self,
        adapter: &Adapter,
        given: &Map<String, Value>,
        told: &Told,
        around: &Around,
    ) -> Vec<Question> {
        let mut open = Vec::new();
        let name = adapter.name();
        open.extend(version(adapter, given));
        let around = with_release(around.clone(), adapter, given);
        for (input, state) in states(adapter, given, &around) {
            let key = (name.to_owned(), input.name.clone());
            let (wrong, default, settled) = match state {
                State::Secret => {
                    let variable = input.variable.clone().unwrap_or_default();
                    if input.optional || told.secrets.contains(&variable) {
                        continue;
                    }
                    (None, None, false)
                }
                State::None => continue,
                State::Open => (None, self.suggestions.of(input), false),
                State::Wrong(why) => (Some(why), given.get(&input.name).map(typed), false),
                State::Has(value) => {
                    let left = given.contains_key(&input.name) || told.seen.contains(&key);
                    if left || !input.ask {
                        continue;
                    }
                    (None, Some(typed(&value)), true)
                }
            };
            let prompt = if input.prompt.is_empty() {
                &input.name
            } else {
                &input.prompt
            };
            let about = About::Input(key.0, key.1);
            let question = Question::new(about, input.kind, format!("{name}: {prompt}"));
            open.push(Question {
                help: help(input),
                default,
                wrong,
                settled,
                variable: input.variable.clone(),
                derived: input.derive.is_some() && !given.contains_key(&input.name),
                ..question.choices(input.choices.clone())
            });
        }
        open
    }
}

/// What an input is for, and how its value is typed.
fn help(input: &Input) -> String {
    let form = match input.kind {
        Kind::List => "several with commas".to_owned(),
        Kind::Bool => "yes or no".to_owned(),
        Kind::Records => {
            let fields = input.fields.iter().map(|field| {
                let value = if field.choices.is_empty() {
                    "...".to_owned()
                } else {
                    field.choices.join("|")
                };
                let is_optional = if field.optional { "?" } else { "" };
                format!("{}{is_optional}={value}", field.name)
            });
            let fields: Vec<String> = fields.collect();
            format!("{}; several with `;`", fields.join(","))
        }
        Kind::Text | Kind::Secret | Kind::Int | Kind::Choice => String::new(),
    };
    let parts = [input.help.as_str(), form.as_str()];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("; ")
}

fn version(adapter: &Adapter, given: &Map<String, Value>) -> Option<Question> {
    let releases = &adapter.definition.releases;
    let named = given.get("version");
    let known = |value: &Value| {
        releases
            .iter()
            .any(|release| Some(release.name.as_str()) == value.as_str())
    };
    if releases.is_empty() || named.is_some_and(known) {
        return None;
    }
    let wrong = named.map(|value| format!("`{}` is not known", typed(value)));
    let about = About::Version(adapter.name().to_owned());
    let choices = releases.iter().map(|release| release.name.clone());
    let question = Question::new(about, Kind::Choice, format!("{}: version", adapter.name()));
    Some(Question {
        default: adapter
            .default_release()
            .map(|release| release.name.clone()),
        settled: wrong.is_none(),
        wrong,
        ..question.choices(choices.collect())
    })
}

fn with_release(mut around: Around, adapter: &Adapter, given: &Map<String, Value>) -> Around {
    let release = adapter.release(given);
    around.release = release.map_or(Value::Null, Release::told);
    around
}
