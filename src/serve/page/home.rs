//! The first page: the lab, what runs in it now, its environments, layers and newest
//! runs; for strangers, how to log in.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use axum::response::Response;

use super::filters;
use super::frame::{Frame, page};
use super::opened::{Opened, opened};
use super::problem::Problem;
use super::question::Asked;
use super::rows::{RunLine, lines};
use super::shown::{State, When, run_state};
use super::visitor::{Anyone, Reader};
use crate::app;
use crate::base::count;
use crate::handoff::{Made, VmInfo};
use crate::layers::{self, ListedLayer};
use crate::report::{Current, RunState, StatusDocument};
use crate::runs::page as newest;
use crate::site::{Tree, Vm, list, machines};

/// Runs on the first page.
const NEWEST: usize = 8;

/// How to log in.
#[derive(Template)]
#[template(path = "closed.html")]
struct ClosedPage {
    frame: Frame,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    lab: String,
    root: String,
    now: Option<Now>,
    next: [String; 2],
    success: Option<Success>,
    warnings: Vec<String>,
    environments: Vec<Environment>,
    templates: Vec<[String; 4]>,
    layers: Vec<Layer>,
    runs: Vec<RunLine>,
}

/// The run that goes on, or the last one.
struct Now {
    id: String,
    recipe: String,
    dry: bool,
    state: State,
    running: bool,
    took: String,
    done: usize,
    planned: usize,
    at: String,
    asked: Option<Asked>,
}

/// The last live run that did all it should.
struct Success {
    id: String,
    recipe: String,
    when: When,
}

/// Machines that belong together.
struct Environment {
    name: String,
    note: String,
    machines: Vec<Machine>,
}

/// A machine: as it is defined, and as it was made.
struct Machine {
    name: String,
    /// Where it is reached; as defined, when it was not made.
    address: String,
    /// `VM 100 on node`, or that it is not made.
    place: String,
    made: bool,
    /// What it is made from.
    image: String,
    /// `2 cores, 2048 MB, 20 GB`
    size: String,
    /// What runs on it: its groups, then packages.
    runs: Vec<String>,
}

struct Layer {
    id: String,
    name: String,
    doc: String,
    recipes: Vec<Recipe>,
}

struct Recipe {
    name: String,
    doc: String,
    remote: bool,
}

/// `/`
pub(super) async fn home(anyone: Anyone) -> Result<Response, Problem> {
    let Anyone { shared, login, .. } = anyone;
    let Some(login) = login else {
        return Ok(closed());
    };
    let reader = Reader { shared, login };
    let frame = reader.frame("Overview");
    let shown = opened(&reader.shared, move |opened| Ok(told(opened, frame))).await?;
    Ok(page(&shown))
}

/// How to log in.
pub(super) fn closed() -> Response {
    let frame = Frame::bare("Log in");
    page(&ClosedPage { frame })
}

fn told(opened: &Opened, frame: Frame) -> HomePage {
    let Opened {
        lab, clean, now, ..
    } = opened;
    let status = app::status(&opened.shared.caller, &lab.paths, false, *now);
    let (layers, broken) = match layers::load(&lab.paths) {
        Ok(book) => (book.list(), None),
        Err(failure) => (Vec::new(), Some(failure.to_string())),
    };
    let mut warnings = clean.all(&status.warnings);
    warnings.extend(broken.iter().flat_map(|text| clean.lines(text)));
    let environments = environments(opened, &status, &mut warnings);
    let success = status.last_success.as_ref().map(|last| Success {
        id: last.id.clone(),
        recipe: clean.text(&last.recipe),
        when: When::new(&last.finished_at, *now),
    });
    let templates = status.published.templates.iter();
    HomePage {
        frame,
        lab: clean.text(&lab.config.lab.name),
        root: clean.text(lab.paths.root().as_str()),
        now: status.current.as_ref().map(|run| current(opened, run)),
        next: [&status.next.command, &status.next.why].map(|text| clean.text(text)),
        success,
        warnings,
        environments,
        templates: templates
            .map(|made| [&made.name, &made.handle, &made.node, &made.stamp])
            .map(|cells| cells.map(|text| clean.text(text)))
            .collect(),
        layers: layers.iter().map(|layer| listed(opened, layer)).collect(),
        runs: lines(opened, &newest(&lab.paths, Some(NEWEST))),
    }
}

fn current(opened: &Opened, current: &Current) -> Now {
    let (run, clean) = (&current.run, &opened.clean);
    let at = current.at.as_ref();
    Now {
        id: run.id.clone(),
        recipe: clean.text(&run.recipe),
        dry: run.dry_run,
        state: run_state(run.outcome),
        running: run.outcome == RunState::Running,
        took: run.took(),
        done: current.done,
        planned: current.planned,
        at: at.map(|step| clean.text(&step.name)).unwrap_or_default(),
        asked: current.question.as_ref().map(|q| Asked::new(opened, q)),
    }
}

fn listed(opened: &Opened, layer: &ListedLayer) -> Layer {
    let clean = &opened.clean;
    let recipes = layer.recipes.iter();
    Layer {
        id: clean.text(&layer.id).to_uppercase(),
        name: clean.text(&layer.name),
        doc: clean.text(&layer.doc),
        recipes: recipes
            .map(|recipe| Recipe {
                name: recipe.name.clone(),
                doc: clean.text(&recipe.doc),
                remote: recipe.remote,
            })
            .collect(),
    }
}

/// What the site defines, and what was made of it; then what was made and is not
/// defined any more.
fn environments(
    opened: &Opened,
    status: &StatusDocument,
    warnings: &mut Vec<String>,
) -> Vec<Environment> {
    let (paths, clean) = (&opened.lab.paths, &opened.clean);
    let site = paths.site();
    let tree = Tree::new(site.clone(), paths.show(&site));
    let made = &status.published.environments;
    let mut told: BTreeSet<&str> = BTreeSet::new();
    let mut all = Vec::new();
    for name in list(&tree) {
        let defined = match machines(&tree, &name) {
            Ok(env) => env.vms,
            Err(failure) => {
                warnings.extend(clean.lines(&failure.to_string()));
                Vec::new()
            }
        };
        let mut rows: BTreeMap<String, Machine> = BTreeMap::new();
        let of_it = made.iter().filter(|(key, made)| is_of(&name, key, made));
        for (key, made) in of_it {
            told.insert(key);
            rows.extend(
                made.vms
                    .iter()
                    .map(|(vm, at)| (vm.clone(), here(opened, vm, at))),
            );
        }
        for vm in &defined {
            let row = rows.remove(&vm.name);
            let row = row.unwrap_or_else(|| absent(opened, vm));
            rows.insert(vm.name.clone(), defined_as(opened, row, vm));
        }
        all.push(Environment {
            name: clean.text(&name),
            note: String::new(),
            machines: rows.into_values().collect(),
        });
    }
    for (key, made) in made.iter().filter(|(key, _)| !told.contains(key.as_str())) {
        let machines = made.vms.iter().map(|(vm, at)| here(opened, vm, at));
        all.push(Environment {
            name: clean.text(key),
            note: "not defined in the site any more".to_owned(),
            machines: machines.collect(),
        });
    }
    all
}

/// Whether what is kept under `ENV-NODE` is of this environment.
fn is_of(env: &str, key: &str, made: &Made) -> bool {
    let node = key
        .strip_prefix(env)
        .and_then(|rest| rest.strip_prefix('-'));
    node.is_some_and(|node| made.vms.values().all(|vm| vm.node == node))
}

fn here(opened: &Opened, name: &str, at: &VmInfo) -> Machine {
    let clean = &opened.clean;
    Machine {
        name: clean.text(name),
        address: clean.text(&at.address),
        place: clean.text(&format!("VM {} on {}", at.vmid, at.node)),
        made: true,
        image: String::new(),
        size: String::new(),
        runs: Vec::new(),
    }
}

fn absent(opened: &Opened, vm: &Vm) -> Machine {
    Machine {
        name: opened.clean.text(&vm.name),
        address: vm.ip.to_string(),
        place: "not made".to_owned(),
        made: false,
        image: String::new(),
        size: String::new(),
        runs: Vec::new(),
    }
}

fn defined_as(opened: &Opened, machine: Machine, vm: &Vm) -> Machine {
    let clean = &opened.clean;
    let cores = count(usize::try_from(vm.cores).unwrap_or(usize::MAX), "core");
    Machine {
        image: clean.text(&vm.image),
        size: format!("{cores}, {} MB, {} GB", vm.memory, vm.disk),
        runs: clean.all(vm.groups.iter().chain(&vm.packages)),
        ..machine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_belongs_to_the_environment_on_its_node() {
        let vm = |node: &str| VmInfo {
            vmid: 100,
            node: node.to_owned(),
            address: String::new(),
        };
        let made = |node: &str| Made {
            vms: [("a".to_owned(), vm(node))].into(),
            ..Made::default()
        };
        assert!(is_of("dev", "dev-pve", &made("pve")));
        assert!(is_of("dev-x", "dev-x-pve", &made("pve")));
        assert!(!is_of("dev", "dev-x-pve", &made("pve")));
        assert!(!is_of("de", "dev-pve", &made("pve")));
        assert!(is_of("dev", "dev-pve", &Made::default()));
    }
}
