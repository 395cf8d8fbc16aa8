//! Reading `hl.toml`: every mistake in it is found at once, with its place.

use serde_json::Value;

use super::environment::is_loader;
use super::timeouts::{NO_LIMIT, parse_duration};
use super::variables::{self, Group};
use super::{ApprovalSettings, Config};
use crate::base::host_port;
use crate::diag::{Diagnostic, Failure, Source};
use crate::shape::{self, Form, Format, Node, Nothing, Shape, key, tables};

tables! {
    Nothing;

    /// `hl.toml`
    static HL = "`hl.toml`", Refused [
        key("lab", Shape::Record(&LAB), "What the lab is called and what it does by default"),
        key("env", Shape::Named(&VARIABLE, &Shape::Text), "The weakest source of variables"),
        key("doppler", Shape::Record(&DOPPLER), "Doppler"),
        key("ssh", Shape::Record(&SSH), "One set for packer, waiting and ansible"),
        key("network", Shape::Record(&NETWORK), "How the lab's machines are reached"),
        key("timeouts", Shape::Named(&TIER, &Shape::Form(&DURATION)), "Tiers such as `quick = \"30s\"`; built-in ones may be changed"),
        key("approval", Shape::Record(&APPROVAL), "Approvals"),
        key("tools", Shape::Keyed(&Shape::Text), "Program to run for a tool, e.g. `tofu = \"terraform\"`"),
        key("components", Shape::Named(&COMPONENT, &TEXTS), "Optional parts of the lab, each with the recipes that `up --with NAME` runs behind the default recipe of their layers, e.g. `metrics = [\"l4-metrics\"]`"),
        key("serve", Shape::Record(&SERVE), "What `serve` gives to others"),
        key("repos", Shape::Named(&REPOSITORY, &Shape::Text), "Repositories beside the lab, which `hl site repos` clones and updates: the directory's name and a URL of git, with `#BRANCH` behind it where another than the default is wanted"),
    ];

    static LAB = "`[lab]`", Refused [
        key("name", Shape::Text, "Name, for people [lab]"),
        key("env", Shape::Form(&ENVIRONMENT), "Default environment of L2 to L4 [dev]"),
        key("allow_variables", Shape::List(&Shape::Form(&LOADER)), "Variables that the lab's files and Doppler may set though they can change what programs load and run, such as `PYTHONPATH`"),
    ];

    static APPROVAL = "`[approval]`", Refused [
        key("timeout", Shape::Form(&WAIT), "How long a detached run waits for an answer, at most 24h [1h]"),
    ];

    static DOPPLER = "`[doppler]`", Refused [
        key("mode", Shape::Choice(&["on", "auto", "off"]), "on: asked unless `DOPPLER=0` or `CI`; auto: only when the program is installed and set up; off: never, unless `FORCE_DOPPLER=1` [on]"),
        key("project", Shape::Text, "Doppler project [what `doppler setup` chose]"),
        key("config", Shape::Text, "Doppler config [what `doppler setup` chose]"),
    ];

    static SSH = "`[ssh]`", Refused [
        key("user", Shape::Text, "User that cloud-init makes on every VM [ops]"),
        key("public_keys", TEXTS, "Public keys (`ssh-ed25519 AAAA...`) or paths to `.pub` files"),
        key("identity", Shape::Text, "Private key file [the agent and OpenSSH's defaults]"),
    ];

    static SERVE = "`[serve]`", Refused [
        key("repos", Shape::Named(&REPOSITORY, &Shape::Text), "Git repositories that are served beside the lab and its site-config: name in the URL and path, e.g. `ansible = \"../ansible\"`"),
        key("cert_dir", Shape::Text, "Directory in which `serve` keeps the certificate that it signs itself, as `--cert-dir` names it; machines that pull their spec know it by its digest"),
        key("certificate", Shape::Text, "The certificate (PEM) of a controller that is started with `--cert`; instead of `cert_dir`"),
    ];

    static NETWORK = "`[network]`", Refused [
        key("vpn_peer", Shape::Form(&PEER), "An address behind the VPN, such as its hub's, that must answer before L3 and L4: `10.8.0.1`, or with a port that accepts connections `10.8.0.1:22`"),
    ];
}

const TEXTS: Shape = Shape::List(&Shape::Text);

/// Variables that decide whether Doppler is asked, before `[env]` is looked at.
const TOO_LATE: &[&str] = &["DOPPLER", "FORCE_DOPPLER", "CI"];

static VARIABLE: Form = Form {
    is: "a variable's name",
    wrong: |_, name| {
        let no_effect = || Diagnostic::error(format!("`{name}` has no effect in `[env]`"));
        if TOO_LATE.contains(&name) {
            let help = "write `mode = \"off\"` in `[doppler]`, or set it in `.env`";
            return Some(no_effect().help(help));
        }
        if variables::find(name).is_some_and(|variable| variable.group == Group::Flag) {
            let help = "flags are read before any file: export it in the shell, or give the flag";
            return Some(no_effect().help(help));
        }
        let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit());
        (!fits).then(|| {
            Diagnostic::error(format!("`{name}` cannot be a variable's name"))
                .help("names are letters, digits and `_`, and do not begin with a digit")
        })
    },
    pattern: "^[A-Za-z_][A-Za-z0-9_]*$",
};

static TIER: Form = Form {
    is: "a tier's name",
    wrong: |_, name| {
        (name == NO_LIMIT).then(|| {
            let help = format!("`timeout = \"{name}\"` of a step means that it has no limit");
            Diagnostic::error(format!("`{name}` cannot be the name of a tier")).help(help)
        })
    },
    pattern: "",
};

static DURATION: Form = Form {
    is: "a duration such as `30s`",
    wrong: |tier, text| {
        parse_duration(text).is_none().then(|| {
            Diagnostic::error(format!("`{text}` is no duration for the tier {tier}"))
                .help("write a number with a unit, such as `30s`, `5m` or `1h 30m`")
        })
    },
    pattern: "",
};

static WAIT: Form = Form {
    is: "a duration such as `1h`",
    wrong: |_, text| {
        let limit = parse_duration(text).filter(|wait| *wait <= ApprovalSettings::LONGEST);
        limit.is_none().then(|| {
            Diagnostic::error(format!("`{text}` is no duration of at most a day"))
                .help("write a number with a unit, such as `30m`, `1h` or `24h`")
        })
    },
    pattern: "",
};

/// Environments are pieces of file names.
static ENVIRONMENT: Form = Form {
    is: "an environment's name",
    wrong: |_, name| not_plain(name, "an environment's name"),
    pattern: PLAIN,
};

static COMPONENT: Form = Form {
    is: "a component's name",
    wrong: |_, name| not_plain(name, "a component's name"),
    pattern: PLAIN,
};

static REPOSITORY: Form = Form {
    is: "a repository's name",
    wrong: |_, name| {
        let plain =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
        let fits = name.chars().all(plain)
            && !name.is_empty()
            && !name.starts_with(['.', '-'])
            && name.strip_suffix(".git").is_none();
        (!fits).then(|| {
            Diagnostic::error(format!("`{name}` cannot be the name of a repository"))
                .help("names are lower-case letters, digits, `.`, `_` and `-`, begin with a letter or a digit, and have no `.git` at their end")
        })
    },
    pattern: "^[a-z0-9_][a-z0-9._-]*$",
};

const PLAIN: &str = "^[A-Za-z0-9_-]+$";

fn not_plain(name: &str, what: &str) -> Option<Diagnostic> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (name.is_empty() || !name.chars().all(plain)).then(|| {
        Diagnostic::error(format!("`{name}` cannot be {what}"))
            .help("names are letters, digits, `_` and `-`")
    })
}

static LOADER: Form = Form {
    is: "the name of a variable",
    wrong: |_, name| {
        (!is_loader(name)).then(|| {
            Diagnostic::error(format!("`{name}` needs not be allowed")).help("leave it out: only variables that can change what programs load and run are named here, each by its whole name")
        })
    },
    pattern: "",
};

static PEER: Form = Form {
    is: "an address such as `10.8.0.1`",
    wrong: |_, text| {
        let help = "write an address or a name, with a port where one accepts connections: `10.8.0.1`, `10.8.0.1:22`";
        let wrong = || Diagnostic::error(format!("`{text}` is no address")).help(help);
        host_port(text).is_none().then(wrong)
    },
    pattern: "",
};

/// The JSON Schema of `hl.toml`.
pub fn schema() -> Value {
    shape::document("hl.toml", shape::schema(Format::Toml, &HL))
}

/// The settings that a text holds.
///
/// # Errors
/// Syntax, unknown keys, wrong types and wrong values, all together (65).
pub(super) fn parse(source: &Source) -> Result<Config, Failure> {
    shape::read(source, &HL, |root, findings| {
        let components = root.get("components").and_then(Node::map);
        for entry in components.into_iter().flat_map(shape::Map::iter) {
            let name = &entry.key;
            if matches!(&entry.value.value, shape::Value::List(recipes) if recipes.is_empty()) {
                let help =
                    format!("name the recipes that belong to it: `{name} = [\"l4-{name}\"]`");
                let wrong = Diagnostic::error(format!("component `{name}` has no recipe"));
                let place = entry.value.mark.place(source, "");
                findings.push(wrong.at(place).help(help));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Exit;
    use crate::diag::render;
    use crate::lab::{
        DopplerMode, DopplerSettings, LabSettings, NetworkSettings, ServeSettings, SshSettings,
    };

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
            [serve.repos]
            ansible = "../ansible"
            [repos]
            tofu = "https://git.example/tofu.git#main"
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
        assert_eq!(config.serve.repos["ansible"], "../ansible");
        assert_eq!(config.repos["tofu"], "https://git.example/tofu.git#main");
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
            [(2, 1), (3, 7), (5, 2), (7, 8), (10, 8), (11, 1), (14, 9)]
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
                .contains("`allow_variables` is text, expected a list")
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
    fn a_repository_must_fit_into_a_url() {
        for name in ["A", "a/b", ".git", "a.git", "..", "-x", "\u{e9}", ""] {
            let failure = fails(&format!("[serve.repos]\n\"{name}\" = \"x\"\n"));
            assert!(
                failure.to_string().contains("name of a repository"),
                "{name}"
            );
        }
        let text = "[serve.repos]\n\"a_1.x-y\" = \"x\"\n";
        parse(&Source::new("hl.toml", text)).unwrap();
    }

    #[test]
    fn an_environment_must_fit_into_a_path() {
        assert!(
            fails("[lab]\nenv = \"../x\"\n")
                .to_string()
                .contains("../x")
        );
    }

    /// Every key of the table is one of the type, and the other way round.
    #[test]
    fn the_keys_are_those_of_the_type() {
        let full = Config {
            lab: LabSettings {
                allow_variables: vec!["PYTHONPATH".to_owned()],
                ..LabSettings::default()
            },
            doppler: DopplerSettings {
                project: Some("p".to_owned()),
                config: Some("c".to_owned()),
                ..DopplerSettings::default()
            },
            network: NetworkSettings {
                vpn_peer: Some("10.8.0.1".to_owned()),
            },
            ssh: SshSettings {
                identity: Some("i".to_owned()),
                ..SshSettings::default()
            },
            serve: ServeSettings {
                cert_dir: Some("d".to_owned()),
                certificate: Some("c".to_owned()),
                ..ServeSettings::default()
            },
            ..Config::default()
        };
        let full = serde_json::to_value(full).unwrap();
        let names = |value: &Value| -> std::collections::BTreeSet<String> {
            let keys = value
                .as_object()
                .into_iter()
                .flat_map(serde_json::Map::keys);
            keys.cloned().collect()
        };
        let schema = schema();
        let sections = &schema["properties"];
        assert_eq!(names(sections), names(&full));
        for name in names(sections) {
            assert_eq!(
                names(&sections[&name]["properties"]),
                names(&full[&name]),
                "[{name}]"
            );
        }
    }
}
