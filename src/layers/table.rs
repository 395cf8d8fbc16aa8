//! What may stand in `layer.toml`.

use super::verbs::{is_reserved, reserved_since};
use crate::diag::Diagnostic;
use crate::lab::timeouts::parse_duration;
use crate::shape::{Form, Nothing, Shape, key, required, tables};

tables! {
    Nothing;

    /// `layer.toml`
    pub(super) static FILE = "the file", Refused [
        required("layer", Shape::Record(&LAYER), "About the layer: `id` and `name`"),
        key("recipe", Shape::List(&Shape::Record(&RECIPE)), "What a user can run."),
    ];

    /// `scenarios/NAME.toml`
    pub(super) static SCENARIO_FILE = "the file", Refused [
        required("scenario", Shape::Record(&SCENARIO), "About the scenario; its name is that of the file."),
        key("phase", Shape::List(&Shape::Record(&STEP)), "What it does, in order. The keys are those of a step of a recipe."),
    ];

    static SCENARIO = "`[scenario]`", Refused [
        required("doc", Shape::Filled, DOC),
        required("runtime", Shape::Form(&RUNTIME), "How long a run usually takes, e.g. `90s` or `3m`. Four times as long is the limit of a run, unless `--timeout` says another."),
        key("host_required", Shape::Bool, "A call names the machine: `--host`, `--remote`, `--vm-ip` or `--local`."),
        key("root", Shape::Bool, "With `--local` it runs as root."),
        key("preflight", TEXTS, "Checks that come before it: phases of the scenario `preflight`."),
        key("params", Shape::List(&Shape::Record(&PARAM)), "Its options."),
        key("env", TEXTS, "Variables that it needs."),
        key("tools", TEXTS, "Programs that it needs."),
        key("approve", Shape::Text, "The phase that shows what it would do and asks."),
        key("on_failure", Shape::Choice(&["stop", "continue"]), "What happens to the rest when a phase fails."),
        key("private", Shape::Bool, "Not listed."),
    ];

    static LAYER = "`[layer]`", Refused [
        required("id", Shape::Filled, "First word of the folder's name, e.g. `l2`; `hl l2` runs the default recipe."),
        required("name", Shape::Filled, "Name for people."),
        key("doc", Shape::Text, DOC),
        key("default", Shape::Text, "The recipe that the id stands for, and that `hl up` runs."),
        key("env", TEXTS, "Variables that every recipe of the layer needs."),
        key("optional_env", TEXTS, "Variables that its recipes read when they are set."),
        key("tools", TEXTS, "Programs that every recipe of the layer needs."),
        key("generates", TEXTS, "What its recipes write, relative to the lab; `*` stands for part of one name. `hl clean` may remove it."),
    ];

    static RECIPE = "`[[recipe]]`", Refused [
        required("name", Shape::Form(&RECIPE_NAME), "What is typed after `hl`."),
        key("doc", Shape::Text, DOC),
        key("params", Shape::List(&Shape::Record(&PARAM)), "Parameters, by position unless `option`."),
        key("deps", TEXTS, "Recipes that run first, with arguments: `l1-ensure debian-13`, `l2-apply {{ env }} --node {{ node }}`. Templates."),
        key("parallel", Shape::Bool, "The `deps` may run at the same time."),
        key("env", TEXTS, "Variables that it needs, besides the layer's."),
        key("tools", TEXTS, "Programs that it needs, besides the layer's."),
        key("approve", Shape::Text, "The step that shows what it would do and asks."),
        key("on_failure", Shape::Choice(&["stop", "continue"]), "What happens to the rest when a step fails."),
        key("private", Shape::Bool, "Not listed."),
        key("remote", Shape::Bool, "The page of `hl serve` may start it. Without it, only a dry run of it is started there."),
        key("step", Shape::List(&Shape::Record(&STEP)), "What it does, in order. Without any it is a group of its `deps`."),
    ];

    static PARAM = "a parameter", Refused [
        required("name", Shape::Form(&PARAM_NAME), "Name in templates; `update_image` is typed `--update-image` as an option."),
        key("default", Shape::Scalar, "Used when it is not given. A string is a template. Without a default a parameter must be given, an option is empty."),
        key("values", TEXTS, "The only values it takes."),
        key("doc", Shape::Text, DOC),
        key("option", Shape::Bool, "Given as `--name VALUE`, or `--name` when it is a bool."),
        key("type", Shape::Choice(&["string", "bool", "int"]), "Its type."),
    ];

    static STEP = "a step", Refused [
        required("id", Shape::Form(&STEP_ID), "Name, unique in the recipe."),
        key("doc", Shape::Text, "One line for people. A template."),
        required("use", Shape::Filled, "The action."),
        key("with", Shape::Keyed(&Shape::Any), "The action's inputs; every string is a template."),
        key("needs", TEXTS, "Steps of the recipe that come first; when absent, the step before."),
        key("when", Shape::Text, "Runs only when this template gives `true`."),
        key("timeout", Shape::Text, "Interrupted as by Ctrl-C when it takes longer: `90s`, `60m`, or a tier (`quick`, `short`, `medium`, `long`, `extended`, or one of `hl.toml`). `none`: no limit is meant. Absent: `long`, but for `command` and `script`, which have no limit and are told of after as long."),
        key("retry", Shape::Record(&RETRY), "Tried again after failures."),
        key("repeatable", Shape::Bool, "What it starts may run once more when `hl` was killed and nobody knows how it ended."),
        key("finally", Shape::Bool, "Runs at the end, whatever happened."),
    ];

    static RETRY = "`retry`", Refused [
        key("times", Shape::Integer(1, 100), "Attempts after the first one; 1 when absent."),
        key("backoff", Shape::Text, "Wait before the second attempt, doubled each time; 5 s when absent."),
        key("on", Shape::Choice(&["transient", "any"]), "Which failures count."),
    ];
}

const TEXTS: Shape = Shape::List(&Shape::Text);
const DOC: &str = "One line of documentation.";

const WORD: &str = "^[a-z][a-z0-9_-]*$";

/// What a shell takes without quotes, and not what `hl` takes itself.
static RECIPE_NAME: Form = Form {
    is: "text",
    wrong: |_, name| {
        not_word(name, "a recipe's name").or_else(|| {
            is_reserved(name).then(|| {
                Diagnostic::error(format!("recipe `{name}` clashes with a verb of `hl`"))
                    .note(match reserved_since(name) {
                        Some(version) => format!("since {version} this is a verb, which wins"),
                        None => "the verb wins: the recipe is never reached".to_owned(),
                    })
                    .help("give it another name, e.g. with the layer's id in front")
            })
        })
    },
    pattern: WORD,
};

static RUNTIME: Form = Form {
    is: "a duration such as `90s`",
    wrong: |what, text| {
        parse_duration(text).is_none().then(|| {
            Diagnostic::error(format!(
                "{what} is `{text}`, expected a duration such as `90s` or `3m`"
            ))
        })
    },
    pattern: "[0-9]",
};

static STEP_ID: Form = Form {
    is: "text",
    wrong: |_, id| not_word(id, "a step's id"),
    pattern: WORD,
};

/// Whether it is lower-case letters, digits, `-` and `_`, a letter first.
pub(super) fn is_word(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(plain)
}

fn not_word(text: &str, what: &str) -> Option<Diagnostic> {
    (!is_word(text)).then(|| {
        Diagnostic::error(format!(
            "`{text}` cannot be {what}, expected lower-case letters, digits, `-` and `_`, a letter first"
        ))
    })
}

/// Names that templates already know, so no parameter can take them.
const TEMPLATE_NAMES: &[&str] = &[
    "var", "lab", "layer", "steps", "paths", "true", "false", "none", "not", "and", "or", "in",
    "is", "if", "else", "for",
];

static PARAM_NAME: Form = Form {
    is: "text",
    wrong: |_, name| {
        let wrong =
            |why: &str| Diagnostic::error(format!("`{name}` cannot be a parameter's name, {why}"));
        if TEMPLATE_NAMES.contains(&name) {
            return Some(wrong("templates use this word already"));
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let is_one = !name.starts_with(|c: char| c.is_ascii_digit()) && name.chars().all(plain);
        (!is_one || name.is_empty()).then(|| {
            let wrong = wrong("expected lower-case letters, digits and `_`");
            if name.contains('-') {
                let right = name.replace('-', "_");
                return wrong.help(format!(
                    "write `{right}`; as an option it is still typed `--{name}`"
                ));
            }
            wrong
        })
    },
    pattern: "^[a-z_][a-z0-9_]*$",
};
