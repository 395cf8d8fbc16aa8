//! From the places where people put variables to one [`Environment`].

use std::collections::BTreeMap;

use super::doppler::Decision;
use super::files::Files;
use super::loader::Gate;
use super::options::{DopplerUse, LoadOptions};
use super::overlay;
use super::{Environment, Provenance, Var, doppler};
use crate::base::ticked;
use crate::diag::{Diagnostic, Failure};
use crate::lab::variables::{self, Group};
use crate::lab::{Lab, Redactor};

/// An environment, and what the user should know about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The variables.
    pub env: Environment,
    /// What is odd: shown once, before anything starts.
    pub warnings: Vec<Diagnostic>,
    /// What came of Doppler.
    pub doppler: DopplerUse,
}

/// Reads the environment of a lab. Every file's mistakes are reported together.
/// Doppler is asked at most once.
///
/// # Errors
/// A file cannot be read or parsed (65), `DOPPLER` is neither yes nor no (2),
/// or Doppler is on and gives nothing (69).
pub fn load(lab: &Lab, options: &LoadOptions) -> Result<Loaded, Failure> {
    let mut warnings = Vec::new();
    let files = Files::read(lab, &mut warnings)?;
    let decision = doppler::decide(lab.config.doppler.mode, |name| {
        let flag = options.flags.iter().rev().find(|(flag, _)| flag == name);
        [
            flag.map(|(_, value)| value.as_str()),
            options.process.get(name).map(String::as_str),
            files.dotenv(name),
        ]
        .into_iter()
        .enumerate()
        .find_map(|(source, value)| Some((source, value?)))
    })?;
    let mut gate = Gate::new(&lab.config.lab.allow_variables);
    let mut vars = merge(lab, options, &files, &mut gate);
    let doppler = match decision {
        Decision::Off(why) => DopplerUse::Off(why),
        Decision::On | Decision::Auto if !options.ask_doppler => DopplerUse::NotAsked,
        Decision::On => overlay::apply(lab, options, false, &mut vars, &mut gate, &mut warnings)?,
        Decision::Auto => overlay::apply(lab, options, true, &mut vars, &mut gate, &mut warnings)?,
    };
    warnings.extend(gate.warnings());
    apply_defaults(&mut vars);
    warnings.extend(too_short(&vars));
    Ok(Loaded {
        env: Environment::new(vars),
        warnings,
        doppler,
    })
}

/// All sources but Doppler, strongest first.
fn merge(
    lab: &Lab,
    options: &LoadOptions,
    files: &Files,
    gate: &mut Gate<'_>,
) -> BTreeMap<String, Var> {
    let mut vars: BTreeMap<String, Var> = BTreeMap::new();
    let is_secret = |name: &str| variables::is_secret(name) || options.secret_names.contains(name);
    let mut add = |name: &str, value: &str, from: Provenance, secret: bool| {
        let source = if let Provenance::File { path, .. } = &from {
            format!("`{path}`")
        } else {
            from.to_string()
        };
        let typed = matches!(from, Provenance::Flag | Provenance::Process);
        if !typed && !gate.admits(name, &source, !vars.contains_key(name)) {
            return;
        }
        vars.entry(name.to_owned()).or_insert_with(|| Var {
            value: value.to_owned(),
            from,
            secret,
        });
    };
    for (name, value) in options.flags.iter().rev() {
        add(name, value, Provenance::Flag, is_secret(name));
    }
    for (name, value) in &options.process {
        add(name, value, Provenance::Process, is_secret(name));
    }
    for file in &files.all {
        for entry in file.entries.iter().rev() {
            let name = &entry.name;
            let secret = is_secret(name) || file.secret && variables::find(name).is_none();
            add(name, &entry.value, file.at(entry), secret);
        }
    }
    for (name, value) in &lab.config.env {
        add(name, value, Provenance::Config, is_secret(name));
    }
    vars
}

/// Defaults for what nobody set, or set to nothing. Flags have theirs in the
/// command line, and Doppler's are not variables of the tools.
fn apply_defaults(vars: &mut BTreeMap<String, Var>) {
    for variable in variables::ALL {
        let applies = matches!(variable.group, Group::Proxmox | Group::Layers);
        let unset = vars
            .get(variable.name)
            .is_none_or(|var| var.value.is_empty() && !variable.empty_counts);
        if applies && unset && !variable.default.is_empty() {
            vars.insert(
                variable.name.to_owned(),
                Var {
                    value: variable.default.to_owned(),
                    from: Provenance::Default,
                    secret: variable.secret,
                },
            );
        }
    }
}

/// Secrets that the redactor leaves alone, named once.
fn too_short(vars: &BTreeMap<String, Var>) -> Option<Diagnostic> {
    let names: Vec<&String> = vars
        .iter()
        .filter(|(_, var)| var.secret && !var.value.is_empty())
        .filter(|(_, var)| Redactor::is_too_short(&var.value))
        .map(|(name, _)| name)
        .collect();
    (!names.is_empty()).then(|| {
        Diagnostic::warning(format!(
            "too short to be masked in output (less than 4 characters): {}",
            ticked(names)
        ))
        .help("use a longer secret")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use camino::{Utf8Path, Utf8PathBuf};

    use crate::diag::Exit;
    use crate::lab::write;

    struct World {
        _guard: tempfile::TempDir,
        root: Utf8PathBuf,
    }

    impl World {
        fn new(files: &[(&str, &str)]) -> Self {
            let guard = tempfile::tempdir().unwrap();
            let root = Utf8Path::from_path(guard.path()).unwrap().to_owned();
            fs::write(root.join("hl.toml"), "").unwrap();
            for (name, text) in files {
                write(&root.join(name), text, 0o600).unwrap();
            }
            Self {
                _guard: guard,
                root,
            }
        }

        fn load(
            &self,
            flags: &[(&str, &str)],
            process: &[(&str, &str)],
        ) -> Result<Loaded, Failure> {
            let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            load(
                &Lab::read(&self.root).unwrap(),
                &LoadOptions {
                    secret_names: ["TOLD".to_owned()].into(),
                    flags: flags.iter().map(pair).collect(),
                    process: process.iter().map(pair).collect(),
                    ask_doppler: false,
                },
            )
        }
    }

    fn file(path: &str, line: usize) -> Provenance {
        Provenance::File {
            path: path.to_owned(),
            line,
        }
    }

    #[test]
    fn the_first_source_in_the_order_wins() {
        let world = World::new(&[
            (
                "hl.toml",
                "[env]\nA=\"c\"\nB=\"c\"\nC=\"c\"\nD=\"c\"\nE=\"c\"\nF=\"c\"\n",
            ),
            (".env", "# x\nA=e\nB=e\nC=e\nD=e\nE=e\n"),
            ("state/secrets.env", "A=s\nB=s\nC=s\nD=store\n"),
            ("state/proxmox.env", "A=p\nB=p\nC=p\n"),
        ]);
        let loaded = world
            .load(&[("A", "x"), ("A", "f")], &[("A", "o"), ("B", "o")])
            .unwrap();
        let expected = [
            ("A", "f", Provenance::Flag),
            ("B", "o", Provenance::Process),
            ("C", "p", file("state/proxmox.env", 3)),
            ("D", "store", file("state/secrets.env", 4)),
            ("E", "e", file(".env", 6)),
            ("F", "c", Provenance::Config),
        ];
        for (name, value, from) in expected {
            let var = loaded.env.var(name).unwrap();
            assert_eq!((var.value.as_str(), &var.from), (value, &from), "{name}");
        }
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    }

    #[test]
    fn what_loads_code_is_taken_from_files_only_when_it_is_allowed() {
        let text = "[lab]\nallow_variables = [\"RUBYOPT\"]\n[env]\nPERL5LIB = \"c\"\n";
        let files = "LD_PRELOAD=x\nRUBYOPT=-W0\nPATH=evil\n";
        let world = World::new(&[
            ("hl.toml", text),
            (".env", files),
            ("state/secrets.env", "GIT_SSH_COMMAND=longer\n"),
        ]);
        let process = [("PATH", "/bin"), ("LD_LIBRARY_PATH", "/opt/lib")];
        let loaded = world.load(&[("PYTHONPATH", "lib")], &process).unwrap();
        let get = |name: &str| loaded.env.get(name);
        for name in ["LD_PRELOAD", "PERL5LIB", "GIT_SSH_COMMAND"] {
            assert_eq!(get(name), None, "{name}");
        }
        assert_eq!(get("RUBYOPT"), Some("-W0"));
        assert_eq!(get("PATH"), Some("/bin"));
        assert_eq!(get("LD_LIBRARY_PATH"), Some("/opt/lib"));
        assert_eq!(get("PYTHONPATH"), Some("lib"));
        let said: Vec<_> = loaded.warnings.iter().map(|w| w.message.as_str()).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        for (name, from) in [
            ("LD_PRELOAD", "`.env`"),
            ("PERL5LIB", "[env] in hl.toml"),
            ("GIT_SSH_COMMAND", "`state/secrets.env`"),
        ] {
            let begin = format!("`{name}` of {from} is left out");
            assert!(said.iter().any(|said| said.starts_with(&begin)), "{said:?}");
        }
    }

    #[test]
    fn an_open_env_file_is_warned_about_when_it_holds_a_secret() {
        let world = World::new(&[(".env", "PVE_NODE=pve\n")]);
        let open = |text: &str| {
            write(&world.root.join(".env"), text, 0o644).unwrap();
            let loaded = world.load(&[], &[]).unwrap();
            let said = loaded.warnings.into_iter().map(|w| w.message);
            said.collect::<Vec<_>>()
        };
        assert!(open("PVE_NODE=pve\nPM_TOKEN_SECRET=\n").is_empty());
        assert_eq!(
            open("PM_TOKEN_SECRET=canary\n"),
            ["`.env` can be read by other users (mode 0644, expected 0600)"]
        );
    }

    #[test]
    fn an_empty_value_hides_weaker_ones_and_counts_as_unset() {
        let world = World::new(&[(".env", "PVE_NODE=pve\nPVE_BRIDGE=vmbr9\n")]);
        let loaded = world
            .load(&[], &[("PVE_NODE", ""), ("PVE_BRIDGE", "")])
            .unwrap();
        assert_eq!(loaded.env.get("PVE_NODE"), None);
        assert_eq!(loaded.env.get("PVE_BRIDGE"), Some("vmbr0"));
        assert_eq!(
            loaded.env.var("PVE_BRIDGE").unwrap().from,
            Provenance::Default
        );
    }

    #[test]
    fn secrets_are_marked_by_name_and_by_file() {
        let world = World::new(&[
            (".env", "PM_TOKEN_SECRET=canary\nPVE_NODE=pve\n"),
            (
                "state/secrets.env",
                "ANYTHING=b\nPVE_STORAGE_VM=local-lvm\n",
            ),
        ]);
        let process = [("GH_TOKEN", "c"), ("TOLD", "told")];
        let loaded = world.load(&[], &process).unwrap();
        let env = loaded.env;
        assert!(env.var("TOLD").unwrap().secret);
        let names: Vec<&str> = env.secret_names().collect();
        assert_eq!(names, ["ANYTHING", "GH_TOKEN", "PM_TOKEN_SECRET", "TOLD"]);
        let secret = |name: &str| env.var(name).unwrap().secret;
        assert!(secret("PM_TOKEN_SECRET") && secret("ANYTHING") && secret("GH_TOKEN"));
        assert!(!secret("PVE_NODE") && !secret("PVE_STORAGE_VM"));
        assert_eq!(loaded.warnings.len(), 1);
        let said = &loaded.warnings[0].message;
        assert!(said.ends_with("`ANYTHING`, `GH_TOKEN`"), "{said}");
    }

    #[test]
    fn the_mistakes_of_all_files_come_together() {
        let world = World::new(&[(".env", "one\nA=a b\n"), ("state/proxmox.env", "two\n")]);
        let failure = world.load(&[], &[]).unwrap_err();
        assert_eq!(failure.exit, Exit::Definition);
        let places: Vec<_> = failure
            .diagnostics
            .iter()
            .map(|d| {
                let place = d.place.as_ref().unwrap();
                (place.path().to_string(), place.line_column().0)
            })
            .collect();
        let expected = [("state/proxmox.env", 1), (".env", 1), (".env", 2)];
        assert_eq!(places, expected.map(|(path, line)| (path.to_owned(), line)));
    }

    #[test]
    fn open_modes_repeats_and_flags_in_files_are_warned_about() {
        let world = World::new(&[
            ("state/secrets.env", "A=canary-1\nA=canary-2\n"),
            (".env", "HL_YES=1\n"),
        ]);
        let path = world.root.join("state/secrets.env");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let loaded = world.load(&[], &[]).unwrap();
        assert_eq!(loaded.env.get("A"), Some("canary-2"));
        let said: Vec<_> = loaded.warnings.iter().map(|w| w.message.as_str()).collect();
        assert_eq!(
            said,
            [
                "`state/secrets.env` sets a variable more than once, the last one counts: `A` (line 2)",
                "`state/secrets.env` can be read by other users (mode 0640, expected 0600)",
                "`HL_YES` has no effect in `.env`",
            ]
        );
    }
}
