//! A justfile that forwards every recipe to `hl`.

use super::Book;

/// What is forwarded besides recipes, with its doc line.
const VERBS: &[(&str, &str)] = &[
    ("up", "Run the layers in order, L0 to L4"),
    (
        "rehearse",
        "The whole lab against a simulated Proxmox VE, sealed off",
    ),
    (
        "clean",
        "Remove what runs generate; infrastructure and secrets stay",
    ),
];

const HEAD: &str = "\
# Every recipe here forwards to `hl`; `hl show RECIPE` shows what one does.
# Those of your own in layers/*/layer.toml need no line here: `just hl RECIPE`.

set positional-arguments

hl := env(\"HL_BIN\", \"hl\")

# The lab's recipes by layer
[private]
default:
    @{{ hl }} list
";

/// Forwards everything that has no recipe of its own in the justfile.
const ANYTHING: &str = "
# Any recipe or verb, your own too: `just hl backup prod`
[group('lab')]
hl *args:
    @{{ hl }} \"$@\"
";

/// The justfile of a lab with these layers.
pub fn justfile(book: &Book) -> String {
    let mut text = HEAD.to_owned();
    for (name, doc) in VERBS {
        text.push_str(&recipe("lab", name, doc));
    }
    text.push_str(ANYTHING);
    for layer in &book.layers {
        let id = layer.id.get_ref();
        if let Some(default) = &layer.default {
            let doc = format!("{}: `{}`", layer.name, default.get_ref());
            text.push_str(&recipe("layers", id, &doc));
        }
    }
    for (layer, recipe_) in book.recipes().filter(|(_, recipe)| !recipe.private) {
        text.push_str(&recipe(
            layer.id.get_ref(),
            recipe_.name.get_ref(),
            &recipe_.doc,
        ));
    }
    text
}

fn recipe(group: &str, name: &str, doc: &str) -> String {
    let doc = doc.lines().next().unwrap_or_default();
    format!("\n# {doc}\n[group('{group}')]\n{name} *args:\n    @{{{{ hl }}}} {name} \"$@\"\n")
}
