//! The generated reference: `docs/reference/cli.md`, `actions.md`, `layers.md`
//! and `lab.md` say what the program says. `HL_BLESS=1 scripts/test reference` writes them anew.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::support::TestLab;

fn compare(name: &str, expected: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/reference")
        .join(name);
    if std::env::var_os("HL_BLESS").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/reference/{name} is not what the program says; HL_BLESS=1 writes it anew"
    );
}

#[test]
fn the_command_line_is_documented_as_it_is() {
    let lab = TestLab::shipped();
    let mut page = "# Command line\n\nWritten by a test from `hl --help`; recipes are the lab's own (`hl list`).\n".to_owned();
    let verbs = [
        "",
        "list",
        "show",
        "env",
        "plan",
        "up",
        "resume",
        "replay",
        "rehearse",
        "clean",
        "status",
        "runs",
        "runs show",
        "runs logs",
        "runs prune",
        "templates",
        "templates promote",
        "templates prune",
        "site",
        "site where",
        "site check",
        "site list",
        "site resolve",
        "site resolve tofu",
        "site resolve vm",
        "site resolve ansible",
        "site resolve spec",
        "site resolve host",
        "site init",
        "site node-config",
        "site host-config",
        "site secrets",
        "site secrets decrypt",
        "site secrets encrypt",
        "serve",
        "serve status",
        "serve login",
        "serve logout",
        "spec",
        "spec get",
        "manifest",
        "manifest list",
        "manifest check",
        "manifest show",
        "manifest graph",
        "platform",
        "platform init",
        "platform render",
        "platform bootstrap",
        "platform eject",
        "scenario",
        "preflight",
        "doctor",
        "graph",
        "trust",
        "new",
        "sim",
        "completions",
        "man",
        "schema",
    ];
    for verb in verbs {
        let help = lab.hl(verb).arg("-h").exits(0).stdout;
        // The flags that all share are listed once.
        let own = if verb.is_empty() {
            help.as_str()
        } else {
            help.split("Flags everywhere:").next().unwrap()
        };
        let title = if verb.is_empty() {
            "hl".to_owned()
        } else {
            format!("hl {verb}")
        };
        write!(page, "\n## {title}\n\n```text\n{}\n```\n", own.trim_end()).unwrap();
    }
    compare("cli.md", &page);
}

#[test]
fn actions_are_documented_as_they_are() {
    let registry = hl::action::builtin();
    let mut page = "# Actions\n\nWhat a step can `use`, written by a test from the code. Inputs go into `with`.\n".to_owned();
    for name in registry.names() {
        let action = registry.get(name).unwrap();
        let about = action.about();
        let schema = serde_json::to_value((about.inputs)()).unwrap();
        write!(
            page,
            "\n## {name}\n\n{}.{}\n",
            about.doc,
            if about.reads_only {
                " Changes nothing."
            } else {
                ""
            }
        )
        .unwrap();
        let Some(inputs) = schema["properties"]
            .as_object()
            .filter(|inputs| !inputs.is_empty())
        else {
            continue;
        };
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        page.push_str("\n| input | | |\n|---|---|---|\n");
        for (input, about) in inputs {
            let need = if required.contains(&input.as_str()) {
                "required"
            } else {
                ""
            };
            let doc = about["description"]
                .as_str()
                .unwrap_or_default()
                .replace('\n', " ")
                .replace('|', "\\|");
            writeln!(page, "| `{input}` | {need} | {doc} |").unwrap();
        }
    }
    compare("actions.md", &page);
}

/// The tables of a `layer.toml`: their title and their place in the schema.
const LAYER: [(&str, &str); 5] = [
    ("[layer]", "/properties/layer"),
    ("[[recipe]]", RECIPE),
    (
        "One of `params`",
        "/properties/recipe/items/properties/params/items",
    ),
    ("[[recipe.step]]", STEP),
    (
        "`retry` of a step",
        "/properties/recipe/items/properties/step/items/properties/retry",
    ),
];

const RECIPE: &str = "/properties/recipe/items";
const STEP: &str = "/properties/recipe/items/properties/step/items";

#[test]
fn keys_of_layer_files_are_documented_as_they_are() {
    let mut page =
        "# Keys of layer.toml\n\nWritten by a test from `hl schema layer`. How they are used: \
                    [recipes](../recipes.md); what a step can `use`: [actions](actions.md).\n"
            .to_owned();
    let lab = TestLab::shipped();
    let schema = lab.hl("schema layer").exits(0).json();
    for (title, place) in LAYER {
        table(&mut page, title, &schema, place);
    }
    compare("layers.md", &page);
}

/// The tables of a scenario that a layer file does not have.
const SCENARIO: [(&str, &str); 2] = [
    ("[scenario]", "/properties/scenario"),
    ("[[phase]]", "/properties/phase/items"),
];

#[test]
fn keys_of_scenarios_are_documented_as_they_are() {
    let mut page =
        "# Keys of scenarios\n\nWritten by a test from `hl schema scenario`: the files of `scenarios/`. How they are \
                    used: [scenarios](../scenarios.md); one of `params` is as in a [layer](layers.md).\n"
            .to_owned();
    let lab = TestLab::shipped();
    let schema = lab.hl("schema scenario").exits(0).json();
    for (title, place) in SCENARIO {
        table(&mut page, title, &schema, place);
    }
    compare("scenarios.md", &page);
}

#[test]
fn keys_of_hl_toml_are_documented_as_they_are() {
    let mut page = "# Keys of hl.toml\n\nWritten by a test from `hl schema hl`. The file marks the root of a lab; \
                    all of it may be left out. What holds then stands in brackets.\n"
        .to_owned();
    let lab = TestLab::shipped();
    let schema = lab.hl("schema hl").exits(0).json();
    for (name, section) in schema["properties"].as_object().unwrap() {
        if section["properties"].is_object() {
            let place = format!("/properties/{name}");
            table(&mut page, &format!("[{name}]"), &schema, &place);
        } else {
            let doc = cell(section["description"].as_str().unwrap());
            write!(page, "\n## [{name}]\n\n{doc}.\n").unwrap();
        }
    }
    compare("lab.md", &page);
}

/// The keys of a table as a table.
fn table(page: &mut String, title: &str, schema: &Value, place: &str) {
    let table = schema.pointer(place).unwrap();
    let required = table["required"].as_array();
    write!(page, "\n## {title}\n\n| key | is | |\n|---|---|---|\n").unwrap();
    for (key, about) in table["properties"].as_object().unwrap() {
        let need = required.is_some_and(|all| all.iter().any(|name| name == key));
        let is = kind(schema, about);
        let is = if need { format!("{is}, required") } else { is };
        let doc = about["description"].as_str().unwrap();
        writeln!(page, "| `{key}` | {is} | {} |", cell(doc)).unwrap();
    }
}

/// What a value may be, in words.
fn kind(schema: &Value, about: &Value) -> String {
    if let Some(reference) = about["$ref"].as_str() {
        return kind(
            schema,
            schema.pointer(reference.trim_start_matches('#')).unwrap(),
        );
    }
    if let Some(all) = about["allOf"].as_array().filter(|all| all.len() == 1) {
        return kind(schema, &all[0]);
    }
    for either in ["anyOf", "oneOf"] {
        if let Some(cases) = about[either].as_array() {
            let cases = cases.iter().filter(|case| case["type"] != "null");
            let mut names: Vec<String> = cases.map(|case| kind(schema, case)).collect();
            names.dedup();
            return names.join(" or ");
        }
    }
    if let Some(value) = about["const"].as_str() {
        return format!("`\"{value}\"`");
    }
    if let Some(values) = about["enum"].as_array() {
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        return values.join(" or ");
    }
    let types: Vec<&str> = match about["type"].as_array() {
        Some(types) => types.iter().filter_map(Value::as_str).collect(),
        None => about["type"].as_str().into_iter().collect(),
    };
    let words = types.iter().filter(|name| **name != "null");
    let words = words.map(|name| match *name {
        "string" => "text".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" => "number".to_owned(),
        "object" => "table".to_owned(),
        "array" => format!("list of {}s", kind(schema, &about["items"])),
        other => panic!("no word for `{other}`"),
    });
    words.collect::<Vec<_>>().join(" or ")
}

fn cell(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}
