//! `layer.toml` to [`Layer`]: shape only, so that `hl list` stays quick.
//! What needs the actions or templates is in [`super::check`].

use camino::Utf8Path;
use toml::Spanned;

use super::fields::{Findings, duplicates, filled, items, text, text_or_empty, texts, value};
use super::model::{Layer, Param, ParamType, Recipe, RetryDef, ScenarioHead, StepDef, Text};
use super::table::{FILE, SCENARIO_FILE, is_word};
use crate::diag::{Diagnostic, Source};
use crate::lab::timeouts::parse_duration;
use crate::shape::{self, Format, Node, Value};

/// Reads one layer file. `dir` is its folder relative to the lab. What could be
/// read is in the layer even when there are findings.
pub(super) fn parse(source: Source, dir: &Utf8Path) -> (Layer, Vec<Diagnostic>) {
    let (root, faults) = shape::tree(&source);
    let mut findings = Findings::new(source.clone());
    findings.list = faults;
    let checked = shape::check(&source, Format::Toml, &root, &FILE, true);
    findings.list.extend(checked.errors);
    let folder = dir.file_name().unwrap_or_default();
    let folder_id = folder.split('-').next().unwrap_or_default().to_owned();
    let mut layer = Layer {
        source,
        id: Spanned::new(0..0, folder_id),
        name: String::new(),
        doc: String::new(),
        default: None,
        env: Vec::new(),
        optional_env: Vec::new(),
        tools: Vec::new(),
        generates: Vec::new(),
        recipes: Vec::new(),
        scenario: None,
        dir: dir.to_owned(),
    };
    if let Some(table) = root.get("layer") {
        head(table, &mut layer, folder, &mut findings);
    }
    for table in items(&root, "recipe") {
        layer.recipes.extend(recipe(table, &mut findings));
    }
    let mut list = findings.list;
    list.sort_by_key(|finding| finding.place.as_ref().map(|place| place.span.start));
    (layer, list)
}

/// Reads one file of `scenarios/`: a layer of one recipe, whose name is the file's.
pub(super) fn parse_scenario(source: Source, known: bool) -> (Layer, Vec<Diagnostic>) {
    let (root, faults) = shape::tree(&source);
    let mut findings = Findings::new(source.clone());
    findings.list = faults;
    let checked = shape::check(&source, Format::Toml, &root, &SCENARIO_FILE, true);
    findings.list.extend(checked.errors);
    let name = source.path.file_stem().unwrap_or_default().to_owned();
    if !is_word(&name) {
        let wrong = format!("`{name}` cannot be a scenario's name");
        let help = "name the file `NOUN-VERB.toml`, in lower-case letters, digits and `-`";
        findings.error(0..0, wrong, "", Some(help.to_owned()));
    }
    let dir = source.path.parent().unwrap_or(Utf8Path::new("scenarios"));
    // Without the table, which is reported, nothing of it is there.
    let table = root.get("scenario").unwrap_or(&root);
    let mut recipe = body(table, Spanned::new(0..0, name.clone()), &mut findings);
    let phases = items(&root, "phase");
    recipe.steps = phases.iter().filter_map(step).collect();
    duplicates("phase", recipe.steps.iter().map(|s| &s.id), &mut findings);
    let runtime = text(table, "runtime").and_then(|text| parse_duration(text.get_ref()));
    let scenario = ScenarioHead {
        runtime: runtime.unwrap_or_default().as_secs(),
        host_required: value(table, "host_required").unwrap_or_default(),
        root: value(table, "root").unwrap_or_default(),
        preflight: texts(table, "preflight"),
        known,
    };
    let layer = Layer {
        dir: dir.to_owned(),
        id: Spanned::new(0..0, name.clone()),
        name,
        doc: recipe.doc.clone(),
        default: None,
        env: Vec::new(),
        optional_env: Vec::new(),
        tools: Vec::new(),
        generates: Vec::new(),
        recipes: vec![recipe],
        scenario: Some(scenario),
        source,
    };
    let mut list = findings.list;
    list.sort_by_key(|finding| finding.place.as_ref().map(|place| place.span.start));
    (layer, list)
}

fn head(table: &Node, layer: &mut Layer, folder: &str, findings: &mut Findings) {
    if let Some(id) = filled(table, "id") {
        let fits = folder == id.get_ref() || folder.starts_with(&format!("{}-", id.get_ref()));
        if !fits {
            findings.error(
                id.span(),
                format!("layer id `{}` does not fit its folder", id.get_ref()),
                format!("the folder is `{folder}`, expected `{}-NAME`", id.get_ref()),
                Some(format!(
                    "rename the folder, or write `id = \"{}\"`",
                    layer.id.get_ref()
                )),
            );
        }
        layer.id = id;
    }
    layer.name = text_or_empty(table, "name");
    layer.doc = text_or_empty(table, "doc");
    layer.default = text(table, "default");
    layer.env = texts(table, "env");
    layer.optional_env = texts(table, "optional_env");
    layer.tools = texts(table, "tools");
    layer.generates = texts(table, "generates");
}

fn recipe(table: &Node, findings: &mut Findings) -> Option<Recipe> {
    let steps: Vec<StepDef> = items(table, "step").iter().filter_map(step).collect();
    duplicates("step", steps.iter().map(|s| &s.id), findings);
    let name = filled(table, "name");
    // What is wrong with its parameters is told, also where it has no name.
    let mut recipe = body(table, name.clone().unwrap_or_else(unnamed), findings);
    recipe.steps = steps;
    name.map(|_| recipe)
}

fn unnamed() -> Text {
    Spanned::new(0..0, String::new())
}

/// A recipe without its steps.
fn body(table: &Node, name: Text, findings: &mut Findings) -> Recipe {
    let params = items(table, "params").iter();
    let params: Vec<Param> = params.filter_map(|node| param(node, findings)).collect();
    duplicates("parameter", params.iter().map(|p| &p.name), findings);
    Recipe {
        name,
        doc: text_or_empty(table, "doc"),
        params,
        deps: texts(table, "deps"),
        parallel: value(table, "parallel").unwrap_or_default(),
        env: texts(table, "env"),
        tools: texts(table, "tools"),
        approve: text(table, "approve"),
        on_failure: value(table, "on_failure").unwrap_or_default(),
        private: value(table, "private").unwrap_or_default(),
        remote: value(table, "remote").unwrap_or_default(),
        steps: Vec::new(),
    }
}

fn param(table: &Node, findings: &mut Findings) -> Option<Param> {
    let name = filled(table, "name");
    let option = value(table, "option").unwrap_or_default();
    if let Some(name) = name
        .as_ref()
        .filter(|name| option && name.get_ref() == "help")
    {
        let wrong = "`--help` is an option of `hl` itself";
        findings.error(name.span(), wrong, "cannot be an option of a recipe", None);
    }
    let kind = value(table, "type").unwrap_or_default();
    let values = texts(table, "values");
    let default = table.get("default");
    if let Some(node) = default {
        let expected = misfit(node, kind);
        if let Some(expected) = expected {
            findings.error(
                node.mark.range(),
                "`default` does not fit the parameter's type",
                format!("expected {expected}"),
                None,
            );
        }
        if let Some(text) = node.text()
            && !values.is_empty()
            && !text.contains("{{")
            && !values.iter().any(|value| value.get_ref() == text)
        {
            let wrong = format!("default `{text}` is not one of the allowed `values`");
            findings.error(node.mark.range(), wrong, "", None);
        }
    }
    Some(Param {
        name: name?,
        default: default.cloned(),
        values,
        doc: text_or_empty(table, "doc"),
        option,
        kind,
    })
}

/// What a default had to be, when it does not fit the type.
fn misfit(node: &Node, kind: ParamType) -> Option<&'static str> {
    let template = |text: &str| text.contains("{{");
    let is_number = match &node.value {
        Value::Text(text) => template(text) || text.parse::<i64>().is_ok(),
        Value::Number(_) => true,
        Value::Bool(_) => false,
        // The table says what is wrong with others.
        Value::Null | Value::List(_) | Value::Map(_) => return None,
    };
    let is_flag = match node.text() {
        Some(text) => template(text) || text.parse::<bool>().is_ok(),
        None => matches!(node.value, Value::Bool(_)),
    };
    match kind {
        ParamType::String => node.text().is_none().then_some("a string"),
        ParamType::Bool => (!is_flag).then_some("`true`, `false` or a template"),
        ParamType::Int => (!is_number).then_some("a whole number or a template"),
    }
}

fn step(table: &Node) -> Option<StepDef> {
    let with = table.get("with").and_then(Node::map);
    let needs = table
        .get("needs")
        .filter(|needs| matches!(needs.value, Value::List(_)));
    Some(StepDef {
        id: filled(table, "id")?,
        doc: text(table, "doc"),
        // A step without an action is reported by the table; it stays, so that
        // what refers to it is not reported too.
        action: filled(table, "use").unwrap_or_else(|| Spanned::new(0..0, String::new())),
        with: with.cloned().unwrap_or_default(),
        needs: needs.map(|_| texts(table, "needs")),
        when: text(table, "when"),
        timeout: text(table, "timeout"),
        retry: table
            .get("retry")
            .filter(|retry| retry.map().is_some())
            .map(retry),
        repeatable: value(table, "repeatable").unwrap_or_default(),
        finally: value(table, "finally").unwrap_or_default(),
    })
}

fn retry(table: &Node) -> RetryDef {
    RetryDef {
        times: value(table, "times").unwrap_or(1),
        backoff: text(table, "backoff"),
        on: value(table, "on").unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "[layer]\nid = \"l2\"\nname = \"ä {{ x }}\"\n[[recipe]]\nname = \"a\"\nparams = [{ name = \"p\", type = \"int\", default = 3 }]\ndeps = [\"b 'c d' {{ p }}\"]\n[[recipe.step]]\nid = \"s\"\nuse = \"command\"\nwith = { argv = [\"x\", 1.5, 2026-01-01] }\nretry = { times = 2 }\n";

    fn judged(text: &str) -> Vec<Diagnostic> {
        let source = Source::new("layers/l2-x/layer.toml", text);
        let (_, findings) = parse(source, Utf8Path::new("layers/l2-x"));
        for finding in &findings {
            let span = &finding.place.as_ref().unwrap().span;
            assert!(span.start <= span.end && span.end <= text.len(), "{span:?}");
            assert!(
                finding
                    .message
                    .chars()
                    .next()
                    .is_some_and(|c| !c.is_uppercase())
            );
            assert!(!finding.message.ends_with('.'), "{}", finding.message);
        }
        findings
    }

    #[test]
    fn a_file_cut_anywhere_is_judged() {
        assert_eq!(judged(TEXT).len(), 0);
        for (at, _) in TEXT.char_indices() {
            judged(TEXT.get(..at).unwrap());
        }
    }

    proptest! {
        #[test]
        fn any_text_in_between_is_judged(at in 0usize..TEXT.len(), insert in "[\\[\\]{}=\"'a-z0-9\n., #]{0,6}") {
            let at = (at..=TEXT.len()).find(|at| TEXT.is_char_boundary(*at)).unwrap();
            let (before, after) = TEXT.split_at(at);
            judged(&format!("{before}{insert}{after}"));
        }
    }
}
