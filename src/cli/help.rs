//! `hl RECIPE --help`: what a recipe takes.

use serde_json::Value;

use crate::lab::LabSettings;
use crate::layers::{ListedParam, ListedRecipe};
use crate::plan::{sanitize, wrap};

/// The help of a recipe of the lab, in lines of `width` columns.
pub(super) fn help(recipe: &ListedRecipe, lab: &LabSettings, width: Option<usize>) -> String {
    let mut lines = Vec::new();
    if !recipe.doc.is_empty() {
        lines.extend([recipe.doc.clone(), String::new()]);
    }
    lines.extend([format!("Usage: hl {}", recipe.usage), String::new()]);
    let names: Vec<String> = recipe.params.iter().map(typed).collect();
    let column = names.iter().map(String::len).max().unwrap_or(0);
    for (param, name) in recipe.params.iter().zip(&names) {
        let about = format!("{}{}", param.doc, values(param, lab));
        let about = wrap(&sanitize(&about), column + 4, column + 4, width);
        lines.push(format!("  {name:column$}  {about}").trim_end().to_owned());
    }
    if !recipe.params.is_empty() {
        lines.push(String::new());
    }
    let more = format!(
        "`hl show {0}` shows its steps, `hl plan {0}` what they would change, `hl --help` the flags of every recipe.",
        recipe.name
    );
    lines.push(wrap(&more, 0, 0, width));
    sanitize_lines(&lines)
}

/// `ENV`, `--node NODE`, `--check`
fn typed(param: &ListedParam) -> String {
    let name = param.name.to_uppercase();
    let flag = format!("--{}", param.name.replace('_', "-"));
    match (param.option, param.kind) {
        (false, _) => name,
        (true, "bool") => flag,
        (true, _) => format!("{flag} {name}"),
    }
}

/// What may be given, and what is taken otherwise.
fn values(param: &ListedParam, lab: &LabSettings) -> String {
    let mut out = String::new();
    if !param.values.is_empty() {
        out = format!(" [{}]", param.values.join(", "));
    }
    let default = match &param.default {
        Some(Value::String(text)) if param.kind == "bool" && text == "false" => String::new(),
        Some(Value::String(text)) => expression(text, lab).to_owned(),
        Some(Value::Bool(false) | Value::Null) | None => String::new(),
        Some(value) => value.to_string(),
    };
    if !default.is_empty() {
        out = format!("{out} [default: {default}]");
    }
    out
}

/// `{{ var.PVE_NODE }}` is `PVE_NODE`, `{{ lab.env }}` what `hl.toml` says.
fn expression<'a>(text: &'a str, lab: &'a LabSettings) -> &'a str {
    let inner = text
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"))
        .map_or(text, str::trim);
    match inner {
        "lab.env" => &lab.env,
        "lab.name" => &lab.name,
        _ => inner.strip_prefix("var.").unwrap_or(inner),
    }
}

fn sanitize_lines(lines: &[String]) -> String {
    let lines: Vec<String> = lines
        .iter()
        .flat_map(|text| text.split('\n'))
        .map(sanitize)
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn param(name: &str, kind: &'static str, option: bool, default: Option<Value>) -> ListedParam {
        ListedParam {
            name: name.to_owned(),
            doc: format!("the {name}"),
            kind,
            option,
            required: default.is_none() && !option,
            default,
            values: Vec::new(),
        }
    }

    #[test]
    fn parameters_are_aligned_with_their_defaults() {
        let mut mode = param("mode", "string", true, Some("fast".into()));
        mode.values = vec!["fast".to_owned(), "safe".to_owned()];
        let recipe = ListedRecipe {
            name: "l9-go".to_owned(),
            doc: "Go".to_owned(),
            usage: "l9-go ENV [--node NODE]".to_owned(),
            params: vec![
                param("env", "string", false, Some("{{ lab.env }}".into())),
                param("node", "string", true, Some("{{ var.PVE_NODE }}".into())),
                param("dry_cut", "bool", true, Some("false".into())),
                mode,
            ],
        };
        let lab = LabSettings {
            name: "home".to_owned(),
            env: "stage".to_owned(),
            ..LabSettings::default()
        };
        insta::assert_snapshot!(help(&recipe, &lab, None), @r"
        Go

        Usage: hl l9-go ENV [--node NODE]

          ENV          the env [default: stage]
          --node NODE  the node [default: PVE_NODE]
          --dry-cut    the dry_cut
          --mode MODE  the mode [fast, safe] [default: fast]

        `hl show l9-go` shows its steps, `hl plan l9-go` what they would change, `hl --help` the flags of every recipe.
        ");
    }
}
