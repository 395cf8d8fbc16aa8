//! The scenarios of a lab: those inside the binary, and the lab's own files in
//! `scenarios/`, which win.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;

use schemars::JsonSchema;
use serde::Serialize;

use super::book::Book;
use super::embedded;
use super::listing::{ListedRecipe, listed};
use super::model::{Layer, Recipe, ScenarioHead};
use super::parse::parse_scenario;
use crate::diag::{Advice, Diagnostic, Exit, Failure, Source, did_you_mean, say};
use crate::lab::Paths;

/// The scenario whose phases are the checks that come before others.
pub const PREFLIGHT: &str = "preflight";

/// How often its estimate a run may take, unless `--timeout` says otherwise.
const PATIENCE: u64 = 4;

/// A scenario as lists show it.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ListedScenario {
    /// Its name, options and one line of documentation.
    #[serde(flatten)]
    pub recipe: ListedRecipe,
    /// Seconds that a run usually takes.
    pub runtime: u64,
    /// Seconds after which no phase begins, unless `--timeout` says otherwise.
    pub timeout: u64,
    /// A call names the machine that it works on.
    pub host_required: bool,
    /// With `--local` it runs as root.
    pub root: bool,
    /// Its phases, in order.
    pub phases: Vec<ListedPhase>,
}

/// A phase of a scenario.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct ListedPhase {
    /// Its name.
    pub name: String,
    /// One line; may be a template.
    pub doc: String,
}

/// Reads all scenarios. Only their shape is checked, as [`super::load`] does.
///
/// # Errors
/// A file of the lab is wrong, or cannot be read (65).
pub fn scenarios(paths: &Paths) -> Result<Book, Failure> {
    let mut sources: BTreeMap<String, (Source, bool)> = embedded::scenarios()
        .into_iter()
        .map(|(name, text)| {
            let path = format!("scenarios/{name}.toml");
            (name, (Source::new(path, text), true))
        })
        .collect();
    for (name, source) in own(paths)? {
        let known = sources.contains_key(&name);
        sources.insert(name, (source, known));
    }
    let mut findings = Vec::new();
    let layers = sources.into_values().map(|(source, known)| {
        let (layer, wrong) = parse_scenario(source, known);
        findings.extend(wrong);
        layer
    });
    let book = Book::of(layers.collect());
    findings.extend(unknown_checks(&book));
    if findings.is_empty() {
        Ok(book)
    } else {
        Err(Failure::many(Exit::Definition, findings))
    }
}

/// What `preflight` of a scenario names and is no check.
fn unknown_checks(book: &Book) -> Vec<Diagnostic> {
    let Some((_, checks)) = book.get(PREFLIGHT) else {
        return Vec::new();
    };
    let ids = || checks.steps.iter().map(|step| step.id.get_ref().as_str());
    let mut findings = Vec::new();
    for layer in book.layers() {
        let named = layer.scenario.iter().flat_map(|head| &head.preflight);
        for name in named.filter(|name| ids().all(|id| id != name.get_ref())) {
            let message = format!("there is no check `{}`", name.get_ref());
            let place = layer
                .source
                .at(name.span(), "expected a phase of `preflight`");
            let mut found = Diagnostic::error(message).at(place);
            let meant = did_you_mean(name.get_ref(), ids());
            found.help.extend(meant.map(Advice::from));
            findings.push(found);
        }
    }
    findings
}

/// The lab's own files.
fn own(paths: &Paths) -> Result<Vec<(String, Source)>, Failure> {
    let folder = paths.scenarios();
    let cannot = |path: &camino::Utf8Path, error: std::io::Error| {
        let message = format!("cannot read `{}`: {error}", paths.show(path));
        Failure::message(Exit::Definition, message)
    };
    let entries = match folder.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(cannot(&folder, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| cannot(&folder, error))?;
        let path = entry.path();
        let Some(name) = entry.file_name().strip_suffix(".toml") else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        let text = fs::read_to_string(path).map_err(|error| cannot(path, error))?;
        found.push((name.to_owned(), Source::new(paths.show(path), text)));
    }
    Ok(found)
}

impl Book {
    /// The scenario of that name in a book of [`scenarios`].
    ///
    /// # Errors
    /// There is none (66).
    pub fn scenario(&self, name: &str) -> Result<(&Layer, &Recipe, &ScenarioHead), Failure> {
        let found = self.get(name).and_then(|(layer, recipe)| {
            let head = layer.scenario.as_ref()?;
            Some((layer, recipe, head))
        });
        found.ok_or_else(|| {
            Failure::message(Exit::Unknown, format!("there is no scenario `{name}`"))
                .helps(did_you_mean(name, self.names()))
                .help(say("").hl("scenario --list").say(" shows all of them"))
        })
    }

    /// The scenarios that people may call, in a book of [`scenarios`].
    pub fn list_scenarios(&self) -> Vec<ListedScenario> {
        let all = self.recipes().filter(|(_, recipe)| !recipe.private);
        all.filter_map(|(layer, recipe)| Some(listed_scenario(recipe, layer.scenario.as_ref()?)))
            .collect()
    }

    /// The phases of the lab's own scenarios that are not called as phases are: a
    /// line for each scenario.
    pub fn odd_phases(&self) -> Vec<String> {
        let all = self.recipes().filter_map(|(layer, recipe)| {
            let own = layer.scenario.as_ref().is_some_and(|head| !head.known);
            let ids = recipe.steps.iter().map(|step| step.id.get_ref().as_str());
            let odd: Vec<String> = ids
                .filter(|id| own && !is_verb_noun(id))
                .map(|id| format!("`{id}`"))
                .collect();
            let source = &layer.source.path;
            (!odd.is_empty()).then(|| {
                format!(
                    "{source}: {} should be called `verb_noun`, e.g. `ensure_bridge`",
                    odd.join(", ")
                )
            })
        });
        all.collect()
    }
}

/// A scenario as it is listed.
pub fn listed_scenario(recipe: &Recipe, head: &ScenarioHead) -> ListedScenario {
    let phases = recipe.steps.iter().map(|step| ListedPhase {
        name: step.id.get_ref().clone(),
        doc: step
            .doc
            .as_ref()
            .map(|doc| doc.get_ref().clone())
            .unwrap_or_default(),
    });
    ListedScenario {
        recipe: listed(recipe),
        runtime: head.runtime,
        timeout: head.timeout(),
        host_required: head.host_required,
        root: head.root,
        phases: phases.collect(),
    }
}

impl ScenarioHead {
    /// Seconds after which no phase begins, unless a call says otherwise.
    pub fn timeout(&self) -> u64 {
        self.runtime.saturating_mul(PATIENCE)
    }
}

/// `ensure_bridge`: words of letters and digits, at least two.
fn is_verb_noun(id: &str) -> bool {
    let words: Vec<&str> = id.split('_').collect();
    let is_word = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric());
    words.len() > 1 && words.iter().all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::builtin;
    use crate::lab::Config;

    const OWN: &str = "[scenario]\ndoc = \"d\"\nruntime = \"90s\"\n[[phase]]\nid = \"go\"\nuse = \"command\"\nwith = { argv = [\"true\"] }\n[[phase]]\nid = \"look_around\"\nuse = \"command\"\nwith = { argv = [\"true\"] }\n";

    fn lab(files: &[(&str, &str)]) -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let root = camino::Utf8Path::from_path(dir.path()).unwrap().to_owned();
        fs::create_dir(root.join("scenarios")).unwrap();
        for (name, text) in files {
            fs::write(root.join("scenarios").join(name), text).unwrap();
        }
        (dir, Paths::live(root))
    }

    #[test]
    fn the_shipped_ones_are_sound() {
        let (_dir, paths) = lab(&[]);
        let book = scenarios(&paths).unwrap();
        book.check(&builtin(), &Config::default()).unwrap();
        assert!(book.odd_phases().is_empty());
    }

    /// Name, phases, seconds that a run takes, and whether it is root's with `--local`.
    const NINE: [(&str, &[&str], u64, bool); 9] = [
        (
            "bootstrap-install",
            &["run_bootstrap", "verify_install", "verify_user"],
            120,
            false,
        ),
        ("packer-build", &["build"], 180, false),
        ("packer-build-fetch", &["build", "fetch"], 300, false),
        ("packer-build-publish", &["build", "publish"], 420, false),
        ("packer-sync", &["sync"], 30, false),
        (
            "packer-sync-build-fetch",
            &["sync", "build", "fetch"],
            360,
            false,
        ),
        (
            "pve-setup",
            &["ensure_pve", "setup_pve", "generate_node_config"],
            180,
            true,
        ),
        (
            "spec-vm-push-roundtrip",
            &[
                "check_config",
                "start_server",
                "ensure_image",
                "provision",
                "start",
                "wait_ip",
                "verify_ssh",
                "verify_env",
                "verify_server",
                "destroy",
                "stop_server",
            ],
            180,
            false,
        ),
        ("user-setup", &["create_user"], 30, true),
    ];

    #[test]
    fn the_nine_are_there_with_their_phases_in_order() {
        let (_dir, paths) = lab(&[]);
        let book = scenarios(&paths).unwrap();
        for (name, phases, runtime, root) in NINE {
            let (_, recipe, head) = book.scenario(name).unwrap();
            let ids: Vec<&str> = recipe
                .steps
                .iter()
                .map(|step| step.id.get_ref().as_str())
                .collect();
            assert_eq!(ids, phases, "{name}");
            assert_eq!((head.runtime, head.root), (runtime, root), "{name}");
        }
        assert_eq!(book.list_scenarios().len(), NINE.len());
    }

    #[test]
    fn no_phase_of_pve_setup_is_given_up_early() {
        let (_dir, paths) = lab(&[]);
        let book = scenarios(&paths).unwrap();
        let (_, recipe, _) = book.scenario("pve-setup").unwrap();
        for step in &recipe.steps {
            let limit = step.timeout.as_ref().unwrap().get_ref();
            let limit = crate::lab::timeouts::parse_duration(limit).unwrap();
            assert!(limit.as_secs() >= 1200, "{}", step.id.get_ref());
        }
    }

    #[test]
    fn a_file_of_the_lab_wins_and_is_asked_for_verb_noun() {
        let (_dir, paths) = lab(&[("cable-check.toml", OWN), ("packer-sync.toml", OWN)]);
        let book = scenarios(&paths).unwrap();
        let (_, recipe, head) = book.scenario("packer-sync").unwrap();
        assert_eq!(
            (recipe.steps.len(), head.runtime, head.timeout()),
            (2, 90, 360)
        );
        assert_eq!(
            book.odd_phases(),
            ["scenarios/cable-check.toml: `go` should be called `verb_noun`, e.g. `ensure_bridge`"]
        );
        let unknown = book.scenario("cable-chek").unwrap_err();
        assert_eq!(unknown.exit, Exit::Unknown);
        assert!(unknown.diagnostics[0].help[0].contains("cable-check"));
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        let (_dir, paths) = lab(&[(
            "Wrong Name.toml",
            "[scenario]\ndoc = \"d\"\nruntime = \"3\"\nroom = 1\n",
        )]);
        let failure = scenarios(&paths).unwrap_err();
        let said: Vec<String> = failure
            .diagnostics
            .iter()
            .map(|d| d.message.clone())
            .collect();
        assert_eq!(failure.exit, Exit::Definition);
        assert!(said.iter().any(|m| m.contains("`Wrong Name`")), "{said:?}");
        assert!(
            said.iter().any(|m| m.contains("expected a duration")),
            "{said:?}"
        );
        assert!(said.iter().any(|m| m.contains("`room`")), "{said:?}");
    }
}
