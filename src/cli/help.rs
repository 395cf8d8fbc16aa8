//! What a recipe takes, as clap has it: for `hl RECIPE --help`, and for completion.

use clap::{Arg, ArgAction, Command};
use clap_complete::ArgValueCandidates;

use super::candidates;
use crate::lab::LabSettings;
use crate::layers::{ListedParam, ListedRecipe};
use crate::plan::sanitize;

/// A recipe as a verb of `hl`.
pub(super) fn command(recipe: &ListedRecipe, lab: &LabSettings) -> Command {
    let more = format!(
        "`hl show {0}` shows its steps, `hl plan {0}` what they would change, `hl --help` the flags of every recipe.",
        recipe.name
    );
    // Behind an argument that may be left out, all may be.
    let mut required = true;
    let args = recipe.params.iter().map(|param| {
        let arg = arg(param, lab);
        required &= param.required || param.option;
        arg.required(required && !param.option)
    });
    Command::new(recipe.name.clone())
        .about(sanitize(&recipe.doc))
        .override_usage(sanitize(&format!("hl {}", recipe.usage)))
        .after_help(more)
        .args(args)
}

/// `ENV`, `--node <NODE>`, `--check`
fn arg(param: &ListedParam, lab: &LabSettings) -> Arg {
    let name = param.name.to_uppercase();
    let long = param.name.replace('_', "-");
    let arg = match (param.option, param.kind) {
        (false, _) => Arg::new(name),
        (true, "bool") => Arg::new(param.name.clone())
            .long(long)
            .action(ArgAction::SetTrue),
        (true, _) => Arg::new(param.name.clone()).long(long).value_name(name),
    };
    let arg = arg.help(sanitize(&format!("{}{}", param.doc, default(param, lab))));
    let arg = match param.name.as_str() {
        "env" => arg.add(ArgValueCandidates::new(candidates::environments)),
        "node" => arg.add(ArgValueCandidates::new(candidates::nodes)),
        "template" => arg.add(ArgValueCandidates::new(candidates::templates)),
        _ => arg,
    };
    if param.values.is_empty() {
        arg
    } else {
        arg.value_parser(param.values.clone())
    }
}

/// What is taken when it is not given.
fn default(param: &ListedParam, lab: &LabSettings) -> String {
    let default = param.shown_default(lab);
    if default.is_empty() {
        return default;
    }
    format!(" [default: {default}]")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

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
    fn parameters_are_shown_with_their_defaults_and_values() {
        let mut mode = param("mode", "string", true, Some("fast".into()));
        mode.values = vec!["fast".to_owned(), "safe".to_owned()];
        let recipe = ListedRecipe {
            name: "l9-go".to_owned(),
            doc: "Go\u{1b}[31m".to_owned(),
            usage: "l9-go WHAT [ENV] [--node NODE]".to_owned(),
            params: vec![
                param("what", "string", false, None),
                param("env", "string", false, Some("{{ lab.env }}".into())),
                param("node", "string", true, Some("{{ var.PVE_NODE }}".into())),
                param("dry_cut", "bool", true, Some("false".into())),
                mode,
            ],
            remote: false,
        };
        let lab = LabSettings {
            name: "home".to_owned(),
            env: "stage".to_owned(),
            ..LabSettings::default()
        };
        let mut command = command(&recipe, &lab).term_width(200);
        let page = command.render_help().to_string();
        let lines: Vec<&str> = page.lines().map(str::trim).collect();
        for line in [
            "Go",
            "Usage: hl l9-go WHAT [ENV] [--node NODE]",
            "<WHAT>  the what",
            "[ENV]   the env [default: stage]",
            "--node <NODE>  the node [default: PVE_NODE]",
            "--dry-cut      the dry_cut",
            "--mode <MODE>  the mode [default: fast] [possible values: fast, safe]",
        ] {
            assert!(lines.contains(&line), "{line}: {page}");
        }
        assert!(page.contains("`hl plan l9-go`"), "{page}");
    }
}
