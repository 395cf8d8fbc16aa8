//! What may stand in `layer.toml`.

use super::verbs::{is_reserved, reserved_since};
use crate::diag::Diagnostic;
use crate::shape::{Form, Others, Record, Shape, key, keys, required};

/// `layer.toml`
pub(super) static FILE: Record = Record {
    what: "the file",
    others: Others::Refused,
    keys: keys! {
        /// About the layer: `id` and `name`
        required "layer": Shape::Record(&LAYER),
        /// What a user can run.
        key "recipe": Shape::List(&Shape::Record(&RECIPE)),
    },
};

const TEXTS: Shape = Shape::List(&Shape::Text);

static LAYER: Record = Record {
    what: "`[layer]`",
    others: Others::Refused,
    keys: keys! {
        /// First word of the folder's name, e.g. `l2`; `hl l2` runs the default recipe.
        required "id": Shape::Filled,
        /// Name for people.
        required "name": Shape::Filled,
        /// One line of documentation.
        key "doc": Shape::Text,
        /// The recipe that the id stands for, and that `hl up` runs.
        key "default": Shape::Text,
        /// Variables that every recipe of the layer needs.
        key "env": TEXTS,
        /// Variables that its recipes read when they are set.
        key "optional_env": TEXTS,
        /// Programs that every recipe of the layer needs.
        key "tools": TEXTS,
        /// What its recipes write, relative to the lab; `*` stands for part of one name. `hl clean`
        /// may remove it.
        key "generates": TEXTS,
    },
};

static RECIPE: Record = Record {
    what: "`[[recipe]]`",
    others: Others::Refused,
    keys: keys! {
        /// What is typed after `hl`.
        required "name": Shape::Form(&RECIPE_NAME),
        /// One line of documentation.
        key "doc": Shape::Text,
        /// Parameters, by position unless `option`.
        key "params": Shape::List(&Shape::Record(&PARAM)),
        /// Recipes that run first, with arguments: `l1-ensure debian-13`, `l2-apply {{ env }}
        /// --node {{ node }}`. Templates.
        key "deps": TEXTS,
        /// The `deps` may run at the same time.
        key "parallel": Shape::Bool,
        /// Variables that it needs, besides the layer's.
        key "env": TEXTS,
        /// Programs that it needs, besides the layer's.
        key "tools": TEXTS,
        /// The step that shows what it would do and asks.
        key "approve": Shape::Text,
        /// What happens to the rest when a step fails.
        key "on_failure": Shape::Choice(&["stop", "continue"]),
        /// Not listed.
        key "private": Shape::Bool,
        /// What it does, in order. Without any it is a group of its `deps`.
        key "step": Shape::List(&Shape::Record(&STEP)),
    },
};

static PARAM: Record = Record {
    what: "a parameter",
    others: Others::Refused,
    keys: keys! {
        /// Name in templates; `update_image` is typed `--update-image` as an option.
        required "name": Shape::Form(&PARAM_NAME),
        /// Used when it is not given. A string is a template. Without a default a parameter must be
        /// given, an option is empty.
        key "default": Shape::Scalar,
        /// The only values it takes.
        key "values": TEXTS,
        /// One line of documentation.
        key "doc": Shape::Text,
        /// Given as `--name VALUE`, or `--name` when it is a bool.
        key "option": Shape::Bool,
        /// Its type.
        key "type": Shape::Choice(&["string", "bool", "int"]),
    },
};

static STEP: Record = Record {
    what: "a step",
    others: Others::Refused,
    keys: keys! {
        /// Name, unique in the recipe.
        required "id": Shape::Form(&STEP_ID),
        /// One line for people. A template.
        key "doc": Shape::Text,
        /// The action.
        required "use": Shape::Filled,
        /// The action's inputs; every string is a template.
        key "with": Shape::Keyed(&Shape::Any),
        /// Steps of the recipe that come first; when absent, the step before.
        key "needs": TEXTS,
        /// Runs only when this template gives `true`.
        key "when": Shape::Text,
        /// Interrupted as by Ctrl-C when it takes longer: `90s`, `60m`, or a tier (`quick`,
        /// `short`, `medium`, `long`, `extended`, or one of `hl.toml`). `none`: no limit is meant.
        /// Absent: `long`, but for `command` and `script`, which have no limit and are told of
        /// after as long.
        key "timeout": Shape::Text,
        /// Tried again after failures.
        key "retry": Shape::Record(&RETRY),
        /// Runs at the end, whatever happened.
        key "finally": Shape::Bool,
    },
};

static RETRY: Record = Record {
    what: "`retry`",
    others: Others::Refused,
    keys: keys! {
        /// Attempts after the first one; 1 when absent.
        key "times": Shape::Integer(1, 100),
        /// Wait before the second attempt, doubled each time; 5 s when absent.
        key "backoff": Shape::Text,
        /// Which failures count.
        key "on": Shape::Choice(&["transient", "any"]),
    },
};

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

static STEP_ID: Form = Form {
    is: "text",
    wrong: |_, id| not_word(id, "a step's id"),
    pattern: WORD,
};

fn not_word(text: &str, what: &str) -> Option<Diagnostic> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    let is_one = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(plain);
    (!is_one).then(|| {
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
