//! The plan of a verb with its manifest: what there is of the lab for it.

use std::collections::{BTreeMap, BTreeSet};

use toml::Spanned;

use super::left_of::left_of;
use crate::action::pull_findings;
use crate::diag::{Diagnostic, Exit, Failure, Source, did_you_mean};
use crate::layers::{Book, Compiled, Layer, Scope, refuse_secrets};
use crate::manifest::{Around, ManifestFile, Mode, PlanSettings};
use crate::manifest::{plan, read, read_to_destroy, resolve, resolve_to_destroy};
use crate::plan::{MOST_STEPS, Step, StepId};
use crate::runs::{ManifestRequest, ManifestSource, ManifestVerb, RecipeRequest, RunRequest};
use crate::site::resolve::Resolved;
use crate::site::{Kind, Tree};
use crate::templates::templates;

/// The layer that makes machines, and the module in its folder that does.
const MAKES: (&str, &str) = ("l2", "tofu/vms");
/// The layer that converges them, and its playbook.
const CONVERGES: (&str, &str) = ("l3", "ansible/system.yml");
/// The layer of checks.
const CHECKS: &str = "l0";

/// The plan of a manifest, and what is odd about its files.
///
/// # Errors
/// There is no such manifest or host (66), something is wrong with the manifest or the
/// layers (65).
pub(super) fn compile(
    book: &Book,
    scope: &Scope<'_>,
    request: &ManifestRequest,
) -> Result<(Compiled, Vec<Diagnostic>), Failure> {
    let paths = &scope.lab.paths;
    let tree = Tree::new(paths.site(), paths.show(&paths.site()));
    known_host(scope, &tree, &request.host)?;
    let (mut file, mut resolved) = manifest(scope, &tree, request)?;
    let makes = layer(book, scope, MAKES)?;
    let converges = layer(book, scope, CONVERGES)?;
    let settings = PlanSettings {
        verb: request.verb,
        host: request.host.clone(),
        on_error: request.on_error,
        makes: MAKES.0.to_owned(),
        converges: CONVERGES.0.to_owned(),
        tiers: scope.lab.config.timeouts.clone(),
        playbook: converges.dir.join(CONVERGES.1).into_string(),
        preflight: preflight(book, scope, request)?,
    };
    let tools = tools(request, &file, [makes, converges]);
    let mut warnings = std::mem::take(&mut file.warnings);
    warnings.append(&mut resolved.warnings);
    let plan = plan(file, resolved, &settings)?;
    if plan.steps.len() > MOST_STEPS {
        let message = format!("`{}` has more than {MOST_STEPS} steps", plan.recipe);
        return Err(Failure::message(Exit::Usage, message));
    }
    let text = match &request.source {
        ManifestSource::Name(_) => "",
        ManifestSource::Text { text, .. } => text.as_str(),
    };
    refuse_secrets(&plan, text, scope.env)?;
    let compiled = Compiled {
        missing: missing(scope, request, makes)?,
        tools,
        recipes: Vec::new(),
        plan,
    };
    Ok((compiled, warnings))
}

/// The manifest, and what each of its nodes is made from.
fn manifest(
    scope: &Scope<'_>,
    tree: &Tree,
    request: &ManifestRequest,
) -> Result<(ManifestFile, Resolved), Failure> {
    let paths = &scope.lab.paths;
    let destroys = request.verb == ManifestVerb::Destroy;
    let (source, warning) = match &request.source {
        ManifestSource::Name(name) => match tree.source(Kind::Manifest, name) {
            Err(failure) if destroys && failure.exit == Exit::Unknown => {
                let kept = left_of(paths, name, &request.host).ok_or(failure)?;
                (kept.source, Some(kept.warning))
            }
            found => (found?, None),
        },
        ManifestSource::Text { shown, text } => (Source::new(shown.as_str(), text.as_str()), None),
    };
    if destroys {
        let around = Around {
            tree,
            paths: Some(paths),
            images: None,
            pull: &[],
        };
        let mut file = read_to_destroy(&around, source)?;
        file.warnings.extend(warning);
        let resolved = resolve_to_destroy(tree, &file);
        return Ok((file, resolved));
    }
    let images = Some(templates(paths)).filter(|names| !names.is_empty());
    let pull = pull_findings(scope.lab, tree);
    let around = Around {
        tree,
        paths: Some(paths),
        images: images.as_deref(),
        pull: &pull,
    };
    let file = read(&around, source)?;
    let resolved = resolve(tree, &file)?;
    Ok((file, resolved))
}

/// A host is a node of the site, or the one that the variables name.
fn known_host(scope: &Scope<'_>, tree: &Tree, host: &str) -> Result<(), Failure> {
    let mut known: BTreeSet<String> = tree.names(Kind::Node)?.into_iter().collect();
    known.extend(scope.env.get("PVE_NODE").map(str::to_owned));
    if known.is_empty() || known.contains(host) {
        return Ok(());
    }
    let failure = Failure::message(Exit::Unknown, format!("there is no host `{host}`"));
    Err(failure.helps(did_you_mean(host, known.iter().map(String::as_str))))
}

/// A layer that the machines of manifests are made with.
fn layer<'l>(
    book: &'l Book,
    scope: &Scope<'_>,
    (id, what): (&str, &str),
) -> Result<&'l Layer, Failure> {
    let root = scope.lab.paths.root();
    let layer = book.layer(id);
    layer
        .filter(|layer| root.join(&layer.dir).join(what).exists())
        .ok_or_else(|| {
            let message = format!("machines of manifests need `{what}` in layer `{id}`");
            Failure::message(Exit::Definition, message).help(format!(
                "`hl new DIR` makes a lab with it: copy `layers/{id}-*` from there"
            ))
        })
}

/// The checks of L0 on the host, but for those of an environment's machines.
fn preflight(
    book: &Book,
    scope: &Scope<'_>,
    request: &ManifestRequest,
) -> Result<Vec<Step>, Failure> {
    let default = book.layer(CHECKS).and_then(|l| l.default.as_ref());
    let recipe = default.and_then(|name| book.get(name.get_ref()));
    let Some((_, recipe)) = recipe.filter(|_| !request.skip_preflight) else {
        return Ok(Vec::new());
    };
    let has_node = recipe
        .params
        .iter()
        .any(|param| param.option && param.name.get_ref() == "node");
    let args = has_node.then(|| format!("--node={}", request.host));
    let checks = RunRequest::Recipe(RecipeRequest {
        name: recipe.name.get_ref().clone(),
        args: args.into_iter().collect(),
    });
    let compiled = book.compile(&checks, scope)?;
    let is_of_environment = |step: &Step| {
        let check = step.with.get("check").and_then(|check| check.as_str());
        check == Some("site")
    };
    let (left_out, mut steps): (Vec<Step>, Vec<Step>) =
        compiled.plan.steps.into_iter().partition(is_of_environment);
    let left_out: Vec<StepId> = left_out.into_iter().map(|step| step.id).collect();
    for step in &mut steps {
        step.needs.retain(|need| !left_out.contains(need));
        // The bridges of an environment are not those of a manifest.
        if step.with.contains_key("check") {
            step.with.remove("env");
        }
    }
    Ok(steps)
}

/// Variables that the layer needs and that are not set.
fn missing(
    scope: &Scope<'_>,
    request: &ManifestRequest,
    makes: &Layer,
) -> Result<BTreeMap<String, BTreeSet<String>>, Failure> {
    let env = scope.env.for_node(Some(&request.host))?;
    let verb = request.verb.name().to_owned();
    let names = makes.env.iter().map(Spanned::get_ref);
    let unset = names.filter(|name| env.get(name).is_none());
    Ok(unset
        .map(|name| (name.clone(), BTreeSet::from([verb.clone()])))
        .collect())
}

/// Programs that the plan starts.
fn tools(
    request: &ManifestRequest,
    file: &ManifestFile,
    [makes, converges]: [&Layer; 2],
) -> BTreeMap<String, BTreeSet<String>> {
    let graph = &file.graph;
    let destroys = request.verb == ManifestVerb::Destroy;
    let specs = graph.nodes.iter().filter(|node| node.spec.is_some());
    let pushes = !destroys && specs.clone().any(|node| node.mode == Mode::Push);
    let logs_in = !destroys && (graph.settings.verify_ssh || specs.count() > 0);
    let wanted = |tool: &&String| match tool.as_str() {
        "ansible-playbook" => pushes,
        _ => logs_in,
    };
    let of_makes = makes.tools.iter().map(Spanned::get_ref);
    let of_converges = converges.tools.iter().map(Spanned::get_ref);
    let tools = of_makes.chain(of_converges.filter(wanted));
    let verb = request.verb.name().to_owned();
    tools
        .map(|tool| (tool.clone(), BTreeSet::from([verb.clone()])))
        .collect()
}
