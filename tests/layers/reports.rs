//! What is said about wrong layer files and wrong calls.

use hl::runs::{RecipeRequest, RunRequest};

use super::fixture::{Fixture, LAB, lab, layer};

#[test]
fn everything_wrong_is_in_one_report() {
    let text = r#"[layer]
id = "l2"
name = "Instantiate"
default = "l2-aply"
enf = ["A"]
generates = ["../other"]

[[recipe]]
name = "l2-apply"
doc = 3
params = [{ name = "env", default = "dev" }, { name = "node", option = true, kind = "string" }, { name = "env" }]
deps = ["l2-wait {{ env }}", "l2-other a b"]
approve = "aply"

[[recipe.step]]
id = "resolve"
use = "tofu.aply"

[[recipe.step]]
id = "apply"
use = "tofu.apply"
needs = ["resolv"]
with = { dri = "x", mode = "fats", count = "many", vars_file = "{{ steps.resolve.tfvars }}", args = ["{{ enw }}", 3] }
timeout = "60x"

[[recipe.step]]
id = "last"
use = "note"
with = { text = "{{ env }", secret = "{{ var.PM_TOKEN_SECRET }}" }

[[recipe]]
name = "l2-other"
deps = ["l2-apply"]

[[recipe]]
name = "plan"
"#;
    insta::assert_snapshot!(Fixture::new(&[("l2-instantiate", text)]).report("l2-apply"), @r#"
    exit 65
    error: default recipe `l2-aply` is not in this layer
     --> layers/l2-instantiate/layer.toml:4:11
      |
    4 | default = "l2-aply"
      |           ^^^^^^^^^ no recipe of that name here
      |
      = help: did you mean `l2-apply`?

    error: unknown key `enf`
     --> layers/l2-instantiate/layer.toml:5:1
      |
    5 | enf = ["A"]
      | ^^^ not a key of `[layer]`
      |
      = help: did you mean `env`?

    error: `../other` cannot be generated
     --> layers/l2-instantiate/layer.toml:6:14
      |
    6 | generates = ["../other"]
      |              ^^^^^^^^^^ expected a path inside the lab that is not all of it

    error: recipes depend on each other in a circle: l2-apply -> l2-other -> l2-apply
     --> layers/l2-instantiate/layer.toml:9:8
      |
    9 | name = "l2-apply"
      |        ^^^^^^^^^^ starts here
      |
      = help: take one of these out of its `deps`

    error: `doc` is a number, expected text
      --> layers/l2-instantiate/layer.toml:10:7
       |
    10 | doc = 3
       |       ^
       |
       = help: put the value in quotes: `doc = "..."`

    error: unknown key `kind`
      --> layers/l2-instantiate/layer.toml:11:78
       |
    11 | params = [{ name = "env", default = "dev" }, { name = "node", option = true, kind = "string" }, { name = "env" }]
       |                                                                              ^^^^ not a key of a parameter
       |
       = help: known: `name`, `default`, `values`, `doc`, `option`, `type`

    error: parameter `env` is defined twice
      --> layers/l2-instantiate/layer.toml:11:106
       |
    11 | params = [{ name = "env", default = "dev" }, { name = "node", option = true, kind = "string" }, { name = "env" }]
       |                                                                                                          ^^^^^ the second one

    error: parameter `env` needs a default
      --> layers/l2-instantiate/layer.toml:11:106
       |
    11 | params = [{ name = "env", default = "dev" }, { name = "node", option = true, kind = "string" }, { name = "env" }]
       |                                                                                                          ^^^^^ a parameter before it has one
       |
       = help: move it to the front, or give it a default

    error: there is no recipe `l2-wait`
      --> layers/l2-instantiate/layer.toml:12:10
       |
    12 | deps = ["l2-wait {{ env }}", "l2-other a b"]
       |          ^^^^^^^ `l2-apply` depends on it
       |
       = help: known: `l2-apply`, `l2-other`, `plan`

    error: recipe `l2-other` takes no arguments, but 2 were given
      --> layers/l2-instantiate/layer.toml:12:30
       |
    12 | deps = ["l2-wait {{ env }}", "l2-other a b"]
       |                              ^^^^^^^^^^^^^^
       |
       = help: usage: hl l2-other

    error: recipe `l2-apply` has no step `aply`
      --> layers/l2-instantiate/layer.toml:13:11
       |
    13 | approve = "aply"
       |           ^^^^^^
       |
       = help: did you mean `apply`?

    error: there is no action `tofu.aply`
      --> layers/l2-instantiate/layer.toml:17:7
       |
    17 | use = "tofu.aply"
       |       ^^^^^^^^^^^
       |
       = help: did you mean `tofu.apply`?

    error: action `tofu.apply` needs `dir`
      --> layers/l2-instantiate/layer.toml:21:7
       |
    21 | use = "tofu.apply"
       |       ^^^^^^^^^^^^ missing in `with`

    error: recipe `l2-apply` has no step `resolv`
      --> layers/l2-instantiate/layer.toml:22:10
       |
    22 | needs = ["resolv"]
       |          ^^^^^^^^
       |
       = help: did you mean `resolve`?

    error: action `tofu.apply` has no input `dri`
      --> layers/l2-instantiate/layer.toml:23:10
       |
    23 | with = { dri = "x", mode = "fats", count = "many", vars_file = "{{ steps.resolve.tfvars }}", args = ["{{ enw }}", 3] }
       |          ^^^ unknown input
       |
       = help: did you mean `dir`?

    error: `mode` cannot be `fats`
      --> layers/l2-instantiate/layer.toml:23:28
       |
    23 | with = { dri = "x", mode = "fats", count = "many", vars_file = "{{ steps.resolve.tfvars }}", args = ["{{ enw }}", 3] }
       |                            ^^^^^^ expected `fast` or `slow`
       |
       = help: did you mean `fast`?

    error: `count` has the wrong type
      --> layers/l2-instantiate/layer.toml:23:44
       |
    23 | with = { dri = "x", mode = "fats", count = "many", vars_file = "{{ steps.resolve.tfvars }}", args = ["{{ enw }}", 3] }
       |                                            ^^^^^^ expected an integer, found a string

    error: template uses `enw`, which is not defined
      --> layers/l2-instantiate/layer.toml:23:106
       |
    23 | with = { dri = "x", mode = "fats", count = "many", vars_file = "{{ steps.resolve.tfvars }}", args = ["{{ enw }}", 3] }
       |                                                                                                          ^^^ not a parameter of `l2-apply`
       |
       = help: did you mean `env`?

    error: `args` has the wrong type
      --> layers/l2-instantiate/layer.toml:23:115
       |
    23 | with = { dri = "x", mode = "fats", count = "many", vars_file = "{{ steps.resolve.tfvars }}", args = ["{{ enw }}", 3] }
       |                                                                                                                   ^ expected a string, found a number

    error: `60x` is neither a duration nor a tier
      --> layers/l2-instantiate/layer.toml:24:11
       |
    24 | timeout = "60x"
       |           ^^^^^
       |
       = help: write e.g. `90s`, `60m`, `1h 30m`, or a word: `quick`, `short`, `medium`, `long`, `extended` or `none`

    error: template: syntax error: unexpected `}`, expected end of variable block
      --> layers/l2-instantiate/layer.toml:29:25
       |
    29 | with = { text = "{{ env }", secret = "{{ var.PM_TOKEN_SECRET }}" }
       |                         ^

    error: template uses the secret variable `PM_TOKEN_SECRET`
      --> layers/l2-instantiate/layer.toml:29:42
       |
    29 | with = { text = "{{ env }", secret = "{{ var.PM_TOKEN_SECRET }}" }
       |                                          ^^^^^^^^^^^^^^^^^^^ it would be written into plans, logs and arguments
       |
       = help: take it out: every step's tools get the variable by environment

    error: recipe `l2-apply` takes at least 1 argument, but none was given: `ENV` is missing
      --> layers/l2-instantiate/layer.toml:33:9
       |
    33 | deps = ["l2-apply"]
       |         ^^^^^^^^^^
       |
       = help: usage: hl l2-apply [ENV] ENV [--node NODE]

    error: recipe `plan` clashes with a verb of `hl`
      --> layers/l2-instantiate/layer.toml:36:8
       |
    36 | name = "plan"
       |        ^^^^^^
       |
       = note: the verb wins: the recipe is never reached
       = help: give it another name, e.g. with the layer's id in front
    "#);
}

#[test]
fn broken_toml_points_to_the_place() {
    let text = layer("[[recipe]]\nname = \"x\ndoc = \"y\"\n");
    insta::assert_snapshot!(Fixture::new(&[("l2-instantiate", &text)]).report("x"), @r#"
    exit 65
    error: invalid basic string, expected `"`
     --> layers/l2-instantiate/layer.toml:5:10
      |
    5 | name = "x
      |          ^ not valid TOML
    "#);
}

#[test]
fn names_cannot_be_taken_twice() {
    let one = "[layer]\nid = \"l1\"\nname = \"A\"\n[[recipe]]\nname = \"same\"\n[[recipe]]\nname = \"l2\"\n";
    let two = layer("[[recipe]]\nname = \"same\"\n");
    let fixture = Fixture::new(&[("l1-a", one), ("l2-b", &two)]);
    insta::assert_snapshot!(fixture.report("same"), @r#"
    exit 65
    error: recipe `l2` clashes with the layer of that id
     --> layers/l1-a/layer.toml:7:8
      |
    7 | name = "l2"
      |        ^^^^ a layer's id runs its default recipe
      |
      = help: give it another name, and make it the layer's default: `default = "l2-..."`

    error: recipe `same` is defined twice
     --> layers/l2-b/layer.toml:5:8
      |
    5 | name = "same"
      |        ^^^^^^ the second one
      |
      = note: the first one is in layers/l1-a/layer.toml:5
    "#);
}

#[test]
fn circles_are_named() {
    let text = layer(
        r#"
[[recipe]]
name = "a"
deps = ["b"]
[[recipe]]
name = "b"
deps = ["c x"]
[[recipe]]
name = "c"
params = [{ name = "p" }]
deps = ["a"]
[[recipe.step]]
id = "one"
use = "note"
needs = ["two"]
[[recipe.step]]
id = "two"
use = "note"
"#,
    );
    insta::assert_snapshot!(Fixture::new(&[("l2-b", &text)]).report("a"), @r#"
    exit 65
    error: recipes depend on each other in a circle: a -> b -> c -> a
     --> layers/l2-b/layer.toml:6:8
      |
    6 | name = "a"
      |        ^^^ starts here
      |
      = help: take one of these out of its `deps`

    error: steps need each other in a circle: one -> two -> one
      --> layers/l2-b/layer.toml:16:6
       |
    16 | id = "one"
       |      ^^^^^ starts here
    "#);
}

#[test]
fn missing_variables_are_one_error() {
    let fixture = Fixture::new(LAB);
    insta::assert_snapshot!(fixture.report("l2-apply"), @r#"
    exit 69
    error: `PM_TOKEN_SECRET` and `PVE_NODE` are not set
      = note: wanted by `l2-apply`
      = help: set them in `.env` (`env.example` explains each), in Doppler, or in the environment
    "#);
    let request = RunRequest::Recipe(RecipeRequest {
        name: "l2-apply".to_owned(),
        args: Vec::new(),
    });
    let book = fixture.load().unwrap();
    let compiled = book.compile(&request, &fixture.scope()).unwrap();
    let missing: Vec<&String> = compiled.missing.keys().collect();
    assert_eq!(missing, ["PM_TOKEN_SECRET", "PVE_NODE"]);
    // The plan can still be looked at.
    assert_eq!(compiled.plan.steps[0].with["key"], "dev-<PVE_NODE>");
    assert_eq!(compiled.tools.keys().collect::<Vec<_>>(), ["tofu"]);
}

#[test]
fn wrong_calls_show_the_usage() {
    let fixture = lab();
    let calls = [
        "l2-aply",
        "l2-apply a b",
        "l2-apply --nod x",
        "l2-apply --node",
        "l2-apply --parallelism many",
        "l1-ensure",
        "l1-ensure debian-12",
        "l9",
    ];
    let reports: Vec<String> = calls
        .iter()
        .map(|call| format!("$ hl {call}\n{}", fixture.report(call)))
        .collect();
    insta::assert_snapshot!(reports.join("\n\n"), @r#"
    $ hl l2-aply
    exit 66
    error: there is no recipe `l2-aply`
      = help: did you mean `l2-apply`?
      = help: `hl list` shows all recipes

    $ hl l2-apply a b
    exit 2
    error: recipe `l2-apply` takes at most 1 argument, but 2 were given
      = help: usage: hl l2-apply [ENV] [--node NODE] [--parallelism PARALLELISM] [--dry]

    $ hl l2-apply --nod x
    exit 2
    error: recipe `l2-apply` has no option `--nod`
      = help: did you mean `--node`?
      = help: usage: hl l2-apply [ENV] [--node NODE] [--parallelism PARALLELISM] [--dry]

    $ hl l2-apply --node
    exit 2
    error: `--node` needs a value
      = help: usage: hl l2-apply [ENV] [--node NODE] [--parallelism PARALLELISM] [--dry]

    $ hl l2-apply --parallelism many
    exit 2
    error: `parallelism` cannot be `many`, expected a whole number

    $ hl l1-ensure
    exit 2
    error: recipe `l1-ensure` takes 1 argument, but none was given: `NAME` is missing
      = help: usage: hl l1-ensure NAME

    $ hl l1-ensure debian-12
    exit 2
    error: `name` cannot be `debian-12`, expected `debian-13` or `ubuntu-24.04`
      = help: did you mean `debian-13`?

    $ hl l9
    exit 66
    error: there is no recipe `l9`
      = help: did you mean `l1`?
      = help: `hl list` shows all recipes
    "#);
}
