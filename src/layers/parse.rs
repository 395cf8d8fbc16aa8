//! `layer.toml` to [`Layer`]: shape only, so that `hl list` stays quick.
//! What needs the actions or templates is in [`super::check`].

use camino::Utf8Path;
use toml::Spanned;
use toml::de::DeTable;

use super::fields::{Fields, Findings, duplicates};
use super::model::{Layer, NodeKind, Param, ParamType, Recipe, RetryDef, StepDef, Text};
use super::verbs::{is_reserved, reserved_since};
use crate::diag::{Diagnostic, Source};
use crate::plan::{OnFailure, RetryOn};

pub(super) const FILE_KEYS: &[&str] = &["layer", "recipe"];
pub(super) const LAYER_KEYS: &[&str] = &[
    "id",
    "name",
    "doc",
    "default",
    "env",
    "optional_env",
    "tools",
    "generates",
];
pub(super) const RECIPE_KEYS: &[&str] = &[
    "name",
    "doc",
    "params",
    "deps",
    "parallel",
    "env",
    "tools",
    "approve",
    "on_failure",
    "private",
    "step",
];
pub(super) const PARAM_KEYS: &[&str] = &["name", "default", "values", "doc", "option", "type"];
pub(super) const STEP_KEYS: &[&str] = &[
    "id", "doc", "use", "with", "needs", "when", "timeout", "retry", "finally",
];
pub(super) const RETRY_KEYS: &[&str] = &["times", "backoff", "on"];

/// Reads one layer file. `dir` is its folder relative to the lab. What could be
/// read is in the layer even when there are findings.
pub(super) fn parse(source: Source, dir: &Utf8Path) -> (Layer, Vec<Diagnostic>) {
    let text = source.text.clone();
    let mut findings = Findings::new(source.clone());
    let (document, errors) = DeTable::parse_recoverable(&text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        findings.error(span, error.message().to_owned(), "not valid TOML", None);
    }
    let root = document.get_ref();
    let file = Fields::new(root, 0..0, "a layer file", FILE_KEYS, &mut findings);
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
        dir: dir.to_owned(),
    };
    match file.table("layer", &mut findings) {
        Some((table, span)) => head(table, span, &mut layer, folder, &mut findings),
        None if root.contains_key("layer") => {}
        None => findings.error(
            0..0,
            "the file has no `[layer]`",
            "expected `[layer]` with `id` and `name`",
            None,
        ),
    }
    for (table, span) in file.tables("recipe", &mut findings) {
        layer.recipes.extend(recipe(table, span, &mut findings));
    }
    let mut list = findings.list;
    list.sort_by_key(|finding| finding.place.as_ref().map(|place| place.span.start));
    (layer, list)
}

fn head(
    table: &DeTable<'_>,
    span: std::ops::Range<usize>,
    layer: &mut Layer,
    folder: &str,
    findings: &mut Findings,
) {
    let fields = Fields::new(table, span, "`[layer]`", LAYER_KEYS, findings);
    if let Some(id) = fields.required("id", findings) {
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
    layer.name = fields
        .required("name", findings)
        .map(Spanned::into_inner)
        .unwrap_or_default();
    layer.doc = fields.text_or_empty("doc", findings);
    layer.default = fields.text("default", findings);
    layer.env = fields.texts("env", findings);
    layer.optional_env = fields.texts("optional_env", findings);
    layer.tools = fields.texts("tools", findings);
    layer.generates = fields.texts("generates", findings);
}

fn recipe(
    table: &DeTable<'_>,
    span: std::ops::Range<usize>,
    findings: &mut Findings,
) -> Option<Recipe> {
    let fields = Fields::new(table, span, "`[[recipe]]`", RECIPE_KEYS, findings);
    let name = fields.required("name", findings);
    if let Some(name) = &name {
        recipe_name(name, findings);
    }
    let params: Vec<Param> = fields
        .tables("params", findings)
        .into_iter()
        .filter_map(|(table, span)| param(table, span, findings))
        .collect();
    duplicates("parameter", params.iter().map(|p| &p.name), findings);
    let steps: Vec<StepDef> = fields
        .tables("step", findings)
        .into_iter()
        .filter_map(|(table, span)| step(table, span, findings))
        .collect();
    duplicates("step", steps.iter().map(|s| &s.id), findings);
    Some(Recipe {
        doc: fields.text_or_empty("doc", findings),
        params,
        deps: fields.texts("deps", findings),
        parallel: fields.flag("parallel", findings),
        env: fields.texts("env", findings),
        tools: fields.texts("tools", findings),
        approve: fields.text("approve", findings),
        on_failure: fields
            .word(
                "on_failure",
                &[("stop", OnFailure::Stop), ("continue", OnFailure::Continue)],
                findings,
            )
            .unwrap_or_default(),
        private: fields.flag("private", findings),
        steps,
        name: name?,
    })
}

/// Names are what a shell takes without quotes, and not what `hl` takes itself.
fn recipe_name(name: &Text, findings: &mut Findings) {
    let text = name.get_ref();
    if !is_word(text) {
        findings.error(
            name.span(),
            format!("`{text}` cannot be a recipe's name"),
            "expected lower-case letters, digits, `-` and `_`, a letter first",
            None,
        );
    } else if is_reserved(text) {
        findings.error(
            name.span(),
            format!("recipe `{text}` clashes with a verb of `hl`"),
            &match reserved_since(text) {
                Some(version) => format!("since {version} this is a verb, which wins"),
                None => "the verb wins: the recipe is never reached".to_owned(),
            },
            Some("give it another name, e.g. with the layer's id in front".to_owned()),
        );
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_')
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// Names that templates already know, so no parameter can take them.
const TEMPLATE_NAMES: &[&str] = &[
    "var", "lab", "layer", "steps", "paths", "true", "false", "none", "not", "and", "or", "in",
    "is", "if", "else", "for",
];

fn param(
    table: &DeTable<'_>,
    span: std::ops::Range<usize>,
    findings: &mut Findings,
) -> Option<Param> {
    let fields = Fields::new(table, span, "a parameter", PARAM_KEYS, findings);
    let name = fields.required("name", findings);
    if let Some(name) = &name {
        let text = name.get_ref();
        if TEMPLATE_NAMES.contains(&text.as_str()) {
            findings.error(
                name.span(),
                format!("`{text}` cannot be a parameter's name"),
                "templates use this word already",
                None,
            );
        } else if !is_identifier(text) {
            findings.error(
                name.span(),
                format!("`{text}` cannot be a parameter's name"),
                "expected lower-case letters, digits and `_`, so that templates can name it",
                text.contains('-').then(|| {
                    format!(
                        "write `{}`; as an option it is still typed `--{text}`",
                        text.replace('-', "_")
                    )
                }),
            );
        }
    }
    let option = fields.flag("option", findings);
    if let Some(name) = name
        .as_ref()
        .filter(|name| option && name.get_ref() == "help")
    {
        findings.error(
            name.span(),
            "`--help` is an option of `hl` itself",
            "cannot be an option of a recipe",
            None,
        );
    }
    let kind = fields
        .word(
            "type",
            &[
                ("string", ParamType::String),
                ("bool", ParamType::Bool),
                ("int", ParamType::Int),
            ],
            findings,
        )
        .unwrap_or_default();
    let default = fields.node("default", findings);
    if let Some(node) = &default {
        let fits = match (&node.kind, kind) {
            (NodeKind::String(text), ParamType::Int) => {
                text.contains("{{") || text.parse::<i64>().is_ok()
            }
            (NodeKind::String(text), ParamType::Bool) => {
                text.contains("{{") || text.parse::<bool>().is_ok()
            }
            (NodeKind::String(_), ParamType::String) | (NodeKind::Bool(_), ParamType::Bool) => true,
            (NodeKind::Number(number), ParamType::Int) => number.is_i64(),
            _ => false,
        };
        if !fits {
            let expected = match kind {
                ParamType::String => "a string",
                ParamType::Bool => "`true`, `false` or a template",
                ParamType::Int => "a whole number or a template",
            };
            findings.error(
                node.span.clone(),
                "`default` does not fit the parameter's type",
                format!("expected {expected}"),
                None,
            );
        }
    }
    let values = fields.texts("values", findings);
    if let Some(node) = &default
        && let NodeKind::String(text) = &node.kind
        && !values.is_empty()
        && !text.contains("{{")
        && !values.iter().any(|value| value.get_ref() == text)
    {
        findings.error(
            node.span.clone(),
            format!("default `{text}` is not one of the allowed `values`"),
            "",
            None,
        );
    }
    Some(Param {
        doc: fields.text_or_empty("doc", findings),
        default,
        values,
        option,
        kind,
        name: name?,
    })
}

fn step(
    table: &DeTable<'_>,
    span: std::ops::Range<usize>,
    findings: &mut Findings,
) -> Option<StepDef> {
    let fields = Fields::new(table, span, "a step", STEP_KEYS, findings);
    let id = fields.required("id", findings);
    if let Some(id) = &id
        && !is_word(id.get_ref())
    {
        findings.error(
            id.span(),
            format!("`{}` cannot be a step's id", id.get_ref()),
            "expected lower-case letters, digits, `-` and `_`, a letter first",
            None,
        );
    }
    let action = fields.required("use", findings);
    Some(StepDef {
        doc: fields.text("doc", findings),
        with: fields.entries("with", findings),
        needs: fields.texts_if_any("needs", findings),
        when: fields.text("when", findings),
        timeout: fields.text("timeout", findings),
        retry: fields
            .table("retry", findings)
            .map(|(table, span)| retry(table, span, findings)),
        finally: fields.flag("finally", findings),
        id: id?,
        // A step without an action is reported above; it stays, so that what
        // refers to it is not reported too.
        action: action.unwrap_or_else(|| Spanned::new(0..0, String::new())),
    })
}

fn retry(table: &DeTable<'_>, span: std::ops::Range<usize>, findings: &mut Findings) -> RetryDef {
    let fields = Fields::new(table, span, "`retry`", RETRY_KEYS, findings);
    RetryDef {
        times: fields.count("times", 1..=100, findings).unwrap_or(1),
        backoff: fields.text("backoff", findings),
        on: fields
            .word(
                "on",
                &[("transient", RetryOn::Transient), ("any", RetryOn::Any)],
                findings,
            )
            .unwrap_or_default(),
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
