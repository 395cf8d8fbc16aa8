//! Reading `hl.toml`: every mistake in it is found at once, with its place.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error, ValueDeserializer};

use super::environment::is_loader;
use super::timeouts::{NO_LIMIT, parse_duration};
use super::variables::{self, Group};
use super::{Config, LabSettings, NetworkSettings};
use crate::base::host_port;
use crate::diag::{Advice, Diagnostic, Exit, Failure, Source, did_you_mean};

/// Sections and their keys; no keys: the names are the user's own.
const SECTIONS: &[(&str, &[&str])] = &[
    ("components", &[]),
    ("doppler", &["config", "mode", "project"]),
    ("env", &[]),
    ("lab", &["allow_variables", "env", "name"]),
    ("network", &["vpn_peer"]),
    ("ssh", &["identity", "public_keys", "user"]),
    ("timeouts", &[]),
    ("tools", &[]),
];

/// Variables that decide whether Doppler is asked, before `[env]` is looked at.
const TOO_LATE: &[&str] = &["DOPPLER", "FORCE_DOPPLER", "CI"];

/// The settings that a text holds.
///
/// # Errors
/// Syntax, unknown keys, wrong types and wrong values, all together (65).
pub(super) fn parse(source: &Source) -> Result<Config, Failure> {
    let (table, errors) = DeTable::parse_recoverable(&source.text);
    let mut reader = Reader {
        source,
        found: Vec::new(),
    };
    if errors.is_empty() {
        let config = reader.config(table.into_inner());
        if reader.found.is_empty() {
            return Ok(config);
        }
    } else {
        for error in &errors {
            reader.report(error);
        }
    }
    Err(reader.failure())
}

struct Reader<'a> {
    source: &'a Source,
    found: Vec<(usize, Diagnostic)>,
}

impl Reader<'_> {
    fn config(&mut self, mut table: DeTable<'_>) -> Config {
        for (key, _) in &table {
            if !SECTIONS.iter().any(|(name, _)| *name == key.get_ref()) {
                let known = SECTIONS.iter().map(|(name, _)| *name);
                self.unknown(key.span(), key.get_ref(), "a section of `hl.toml`", known);
            }
        }
        for (name, keys) in SECTIONS.iter().filter(|(_, keys)| !keys.is_empty()) {
            if let Some(DeValue::Table(section)) = table.get_mut(*name).map(Spanned::get_mut) {
                for (key, value) in std::mem::take(section) {
                    let word = key.get_ref().as_ref();
                    if keys.contains(&word) {
                        section.insert(key, value);
                    } else {
                        let what = format!("a key of `[{name}]`");
                        self.unknown(key.span(), word, &what, keys.iter().copied());
                    }
                }
            }
        }
        let config = Config {
            lab: self.lab(&mut table),
            doppler: self.section(&mut table, "doppler"),
            ssh: self.section(&mut table, "ssh"),
            network: self.network(&mut table),
            env: self.texts(&mut table, "env", check_variable),
            timeouts: self.texts(&mut table, "timeouts", check_duration),
            tools: self.texts(&mut table, "tools", |_, _| None),
            components: self.components(&mut table),
        };
        if self.found.is_empty() && !is_key(&config.lab.env) {
            self.add(
                0..0,
                Diagnostic::error(format!(
                    "`{}` cannot be an environment's name: only letters, digits, `_` and `-`",
                    config.lab.env
                ))
                .help("change `env` in `[lab]` of `hl.toml`"),
            );
        }
        config
    }

    /// A section with a type of its own; its default when it is absent or wrong.
    fn section<T: DeserializeOwned + Default>(&mut self, table: &mut DeTable<'_>, name: &str) -> T {
        let Some(value) = table.remove(name) else {
            return T::default();
        };
        T::deserialize(ValueDeserializer::from(value)).unwrap_or_else(|error| {
            self.report(&error);
            T::default()
        })
    }

    /// `[lab]`, the names in it checked where they stand.
    fn lab(&mut self, table: &mut DeTable<'_>) -> LabSettings {
        let allowed = table
            .get("lab")
            .and_then(|section| section.get_ref().get("allow_variables"))
            .and_then(|names| names.get_ref().as_array());
        for name in allowed.into_iter().flatten() {
            let Some(text) = name.get_ref().as_str().filter(|text| !is_loader(text)) else {
                continue;
            };
            let wrong = Diagnostic::error(format!("`{text}` needs not be allowed"));
            let help = "leave it out: only variables that can change what programs load and run are named here, each by its whole name";
            self.add(name.span(), wrong.help(help));
        }
        self.section(table, "lab")
    }

    /// `[network]`, its addresses checked where they stand.
    fn network(&mut self, table: &mut DeTable<'_>) -> NetworkSettings {
        let peer = table
            .get("network")
            .and_then(|section| section.get_ref().get("vpn_peer"));
        if let Some(peer) = peer
            && let Some(text) = peer.get_ref().as_str()
            && host_port(text).is_none()
        {
            let wrong = format!("`{text}` is no address");
            let help = "write an address or a name, with a port where one accepts connections: `10.8.0.1`, `10.8.0.1:22`";
            self.add(peer.span(), Diagnostic::error(wrong).help(help));
        }
        self.section(table, "network")
    }

    /// A section of texts; `check` says what is wrong with one.
    fn texts(
        &mut self,
        table: &mut DeTable<'_>,
        name: &str,
        check: fn(&str, &str) -> Option<Diagnostic>,
    ) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        let Some(value) = table.remove(name) else {
            return texts;
        };
        let span = value.span();
        let DeValue::Table(section) = value.into_inner() else {
            let wrong = format!("`{name}` must be a section: `[{name}]`");
            self.add(span, Diagnostic::error(wrong));
            return texts;
        };
        for (key, value) in section {
            let span = value.span();
            let Some(text) = value.get_ref().as_str() else {
                let kind = value.get_ref().type_str();
                let key = key.get_ref();
                let wrong = format!("`{key}` in `[{name}]` must be a string, found {kind}");
                let help = format!("put the value in quotes: `{key} = \"...\"`");
                self.add(span, Diagnostic::error(wrong).help(help));
                continue;
            };
            if let Some(wrong) = check(key.get_ref(), text) {
                self.add(span, wrong);
            }
            texts.insert(key.into_inner().into_owned(), text.to_owned());
        }
        texts
    }

    /// `[components]`: lists of recipes.
    fn components(&mut self, table: &mut DeTable<'_>) -> BTreeMap<String, Vec<String>> {
        if let Some(section) = table.get("components")
            && let DeValue::Table(components) = section.get_ref()
        {
            for (name, recipes) in components {
                let name_is = name.get_ref().as_ref();
                if !is_key(name_is) {
                    let wrong = format!("`{name_is}` cannot be a component's name");
                    let help = "names are letters, digits, `_` and `-`";
                    self.add(name.span(), Diagnostic::error(wrong).help(help));
                }
                let empty = recipes
                    .get_ref()
                    .as_array()
                    .is_some_and(|list| list.is_empty());
                if empty {
                    let wrong = format!("component `{name_is}` has no recipe");
                    let help = format!(
                        "name the recipes that belong to it: `{name_is} = [\"l4-{name_is}\"]`"
                    );
                    self.add(recipes.span(), Diagnostic::error(wrong).help(help));
                }
            }
        }
        self.section(table, "components")
    }

    fn unknown<'a>(
        &mut self,
        span: std::ops::Range<usize>,
        key: &str,
        what: &str,
        known: impl IntoIterator<Item = &'a str> + Clone,
    ) {
        let mut wrong = Diagnostic::error(format!("unknown key `{key}`"));
        wrong
            .help
            .extend(did_you_mean(key, known).map(Advice::from));
        let place = self.source.at(span.clone(), format!("not {what}"));
        self.found.push((span.start, wrong.at(place)));
    }

    /// What the parser or serde says, with a suggestion for a wrong word.
    fn report(&mut self, error: &Error) {
        let message = error.message();
        let mut wrong = Diagnostic::error(message.lines().next().unwrap_or(message));
        let mut words = message.split('`').skip(1).step_by(2);
        if message.starts_with("unknown variant")
            && let Some(found) = words.next()
        {
            let known: Vec<&str> = words.collect();
            wrong
                .help
                .extend(did_you_mean(found, known).map(Advice::from));
        }
        self.add(error.span().unwrap_or(0..0), wrong);
    }

    fn add(&mut self, span: std::ops::Range<usize>, wrong: Diagnostic) {
        let place = self.source.at(span.clone(), "");
        self.found.push((span.start, wrong.at(place)));
    }

    fn failure(mut self) -> Failure {
        self.found.sort_by_key(|(at, _)| *at);
        let found = self.found.into_iter().map(|(_, wrong)| wrong).collect();
        Failure::many(Exit::Definition, found)
    }
}

fn check_variable(name: &str, _: &str) -> Option<Diagnostic> {
    if TOO_LATE.contains(&name) {
        return Some(
            Diagnostic::error(format!("`{name}` has no effect in `[env]`"))
                .help("write `mode = \"off\"` in `[doppler]`, or set it in `.env`"),
        );
    }
    if variables::find(name).is_some_and(|variable| variable.group == Group::Flag) {
        return Some(
            Diagnostic::error(format!("`{name}` has no effect in `[env]`"))
                .help("flags are read before any file: export it in the shell, or give the flag"),
        );
    }
    let mut chars = name.chars();
    let first = chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    (!first || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_')).then(|| {
        Diagnostic::error(format!("`{name}` cannot be a variable's name"))
            .help("names are letters, digits and `_`, and do not begin with a digit")
    })
}

fn check_duration(name: &str, text: &str) -> Option<Diagnostic> {
    if name == NO_LIMIT {
        return Some(
            Diagnostic::error(format!("`{name}` cannot be the name of a tier")).help(format!(
                "`timeout = \"{name}\"` of a step means that it has no limit"
            )),
        );
    }
    parse_duration(text).is_none().then(|| {
        Diagnostic::error(format!("`{text}` is no duration for the tier `{name}`"))
            .help("write a number with a unit, such as `30s`, `5m` or `1h 30m`")
    })
}

/// Whether a text can be a piece of a file's name, as environments are.
fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::render;
    use crate::lab::{DopplerMode, SshSettings};

    fn fails(text: &str) -> Failure {
        parse(&Source::new("hl.toml", text)).unwrap_err()
    }

    #[test]
    fn an_empty_file_is_a_lab_with_defaults() {
        let config = parse(&Source::new("hl.toml", "")).unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.lab.env, "dev");
    }

    #[test]
    fn every_section_is_read() {
        let text = r#"
            [lab]
            name = "attic"
            env = "prod"
            [env]
            PVE_NODE = "pve"
            [doppler]
            mode = "auto"
            project = "homelab"
            [ssh]
            public_keys = ["~/.ssh/lab.pub"]
            identity = "~/.ssh/lab"
            [network]
            vpn_peer = "10.8.0.1:22"
            [timeouts]
            quick = "45s"
            [tools]
            tofu = "terraform"
            [components]
            metrics = ["l3-agent", "l4-metrics"]
        "#;
        let config = parse(&Source::new("hl.toml", text)).unwrap();
        assert_eq!(
            (config.lab.name.as_str(), config.lab.env.as_str()),
            ("attic", "prod")
        );
        assert_eq!(config.env["PVE_NODE"], "pve");
        assert_eq!(config.components["metrics"], ["l3-agent", "l4-metrics"]);
        assert_eq!(config.doppler.mode, DopplerMode::Auto);
        assert_eq!(config.doppler.project.as_deref(), Some("homelab"));
        assert_eq!(config.ssh.user, SshSettings::default().user);
        assert_eq!(config.network.vpn_peer.as_deref(), Some("10.8.0.1:22"));
        assert_eq!(config.timeouts["quick"], "45s");
        assert_eq!(config.tools["tofu"], "terraform");
    }

    #[test]
    fn all_mistakes_are_reported_together_in_order_with_suggestions() {
        let text = "[lab]\nnmae = \"x\"\nenv = 3\n\n[dopler]\n[doppler]\nmode = \"of\"\n\n\
                    [env]\nPORT = 8006\nDOPPLER = \"0\"\n\n[timeouts]\nquick = \"30\"\n";
        let failure = fails(text);
        assert_eq!(failure.exit, Exit::Definition);
        let places: Vec<_> = failure
            .diagnostics
            .iter()
            .map(|d| d.place.as_ref().unwrap().line_column())
            .collect();
        assert_eq!(
            places,
            [(2, 1), (3, 7), (5, 2), (7, 8), (10, 8), (11, 11), (14, 9)]
        );
        insta::assert_snapshot!(render(&failure, false, crate::diag::Commands::Live));
    }

    #[test]
    fn only_what_is_left_out_otherwise_can_be_allowed_and_only_by_name() {
        let text = "[lab]\nallow_variables = [\"PYTHONPATH\", \"PVE_NODE\", \"LD_*\"]\n";
        let failure = fails(text);
        let columns: Vec<_> = failure
            .diagnostics
            .iter()
            .map(|d| d.place.as_ref().unwrap().line_column())
            .collect();
        assert_eq!(columns, [(2, 34), (2, 46)]);
        assert!(
            fails("[lab]\nallow_variables = \"HOME\"\n")
                .to_string()
                .contains("string")
        );
    }

    #[test]
    fn a_peer_that_is_no_address_is_shown_where_it_stands() {
        let failure = fails("[network]\nvpn_peer = \"10.8.0\"\n");
        let place = failure.diagnostics[0].place.as_ref().unwrap();
        assert_eq!(place.line_column(), (2, 12));
        assert!(failure.to_string().contains("`10.8.0` is no address"));
        assert!(fails("[network]\nvpn_pear = 1\n").diagnostics[0].help[0].contains("vpn_peer"));
    }

    #[test]
    fn syntax_errors_have_a_place() {
        let failure = fails("[lab]\nname = \n");
        let place = failure.diagnostics[0].place.as_ref().unwrap();
        assert_eq!(place.line_column().0, 2);
    }

    #[test]
    fn an_environment_must_fit_into_a_path() {
        assert!(
            fails("[lab]\nenv = \"../x\"\n")
                .to_string()
                .contains("../x")
        );
    }

    #[test]
    fn the_sections_are_those_of_the_type() {
        let schema = serde_json::to_value(schemars::schema_for!(Config)).unwrap();
        let names = |value: &serde_json::Value| -> Vec<String> {
            value["properties"]
                .as_object()
                .map(|all| all.keys().cloned().collect())
                .unwrap_or_default()
        };
        let mut sections = names(&schema);
        sections.sort();
        assert_eq!(
            sections,
            SECTIONS.iter().map(|(name, _)| *name).collect::<Vec<_>>()
        );
        for (name, keys) in SECTIONS {
            let reference = schema["properties"][name]["$ref"].as_str().unwrap_or("#/");
            let mut fields = names(
                schema
                    .pointer(reference.trim_start_matches('#'))
                    .unwrap_or(&serde_json::Value::Null),
            );
            fields.sort();
            assert_eq!(fields, *keys, "[{name}]");
        }
    }
}
