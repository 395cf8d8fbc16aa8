//! The plans that recipes make.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;

use hl::diag::{Exit, Failure};
use hl::lab::environment::Nodes;
use hl::lab::{Environment, Provenance, Var};
use hl::plan::{Plan, StepId, order};
use hl::runs::{RunRequest, UpRequest};
use proptest::prelude::*;

use super::fixture::{Fixture, HEAD, edges, lab, layer};

#[test]
fn a_plan_has_every_input_resolved() {
    let plan = lab().plan("l2-apply --parallelism=7 prod --dry").unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&plan).unwrap(), @r#"
    {
      "version": 1,
      "recipe": "l2-apply prod --parallelism 7 --dry",
      "on_failure": "stop",
      "steps": [
        {
          "id": "l2-apply/resolve",
          "layer": "l2",
          "recipe": "l2-apply prod --parallelism 7 --dry",
          "node": "polaris",
          "action": "note",
          "with": {
            "key": "prod-polaris"
          },
          "timeout_seconds": 600
        },
        {
          "id": "l2-apply/wait-lock",
          "layer": "l2",
          "recipe": "l2-apply prod --parallelism 7 --dry",
          "node": "polaris",
          "action": "note",
          "timeout_seconds": 600
        },
        {
          "id": "l2-apply/apply",
          "layer": "l2",
          "recipe": "l2-apply prod --parallelism 7 --dry",
          "node": "polaris",
          "action": "tofu.apply",
          "with": {
            "count": 7,
            "dir": "x",
            "extra": {
              "dry": true,
              "why": "${steps.l2-apply/wait-lock.why}!"
            },
            "vars_file": "${steps.l2-apply/resolve.tfvars}"
          },
          "needs": [
            "l2-apply/wait-lock",
            "l2-apply/resolve"
          ],
          "timeout_seconds": 5400,
          "approve": true
        },
        {
          "id": "l2-apply/unlock",
          "layer": "l2",
          "recipe": "l2-apply prod --parallelism 7 --dry",
          "node": "polaris",
          "action": "note",
          "timeout_seconds": 600,
          "finally": true
        }
      ]
    }
    "#);
}

fn plan_of_up(fixture: &Fixture, request: UpRequest) -> Result<Plan, Failure> {
    let request = RunRequest::Up(request);
    let compiled = fixture.load()?.compile(&request, &fixture.scope())?;
    compiled.ready()
}

#[test]
fn up_runs_layers_in_order_and_shared_recipes_once() {
    let fixture = lab();
    let request = UpRequest {
        env: Some("prod".to_owned()),
        ..UpRequest::default()
    };
    let plan = plan_of_up(&fixture, request).unwrap();
    assert_eq!(plan.recipe, "up prod");
    insta::assert_snapshot!(edges(&plan), @r#"
    l1-tools/probe <- 
    l1-ensure(debian-13)/check <- l1-tools/probe
    l1-ensure(debian-13)/build <- l1-ensure(debian-13)/check
    l1-ensure(ubuntu-24.04)/check <- l1-tools/probe
    l1-ensure(ubuntu-24.04)/build <- l1-ensure(ubuntu-24.04)/check
    l2-apply/resolve <- l1-ensure(debian-13)/build l1-ensure(ubuntu-24.04)/build
    l2-apply/wait-lock <- l1-ensure(debian-13)/build l1-ensure(ubuntu-24.04)/build
    l2-apply/apply <- l2-apply/wait-lock l2-apply/resolve
    l2-apply/unlock <-
    "#);
    let apply = plan.step(&StepId::from("l2-apply/resolve")).unwrap();
    assert_eq!(apply.with["key"], "prod-polaris");
    assert_eq!(apply.recipe, "l2-apply prod");
}

#[test]
fn up_may_be_cut() {
    let fixture = lab();
    let up = |from: &str, to: &str| {
        let request = UpRequest {
            from: Some(from.to_owned()),
            to: Some(to.to_owned()),
            ..UpRequest::default()
        };
        plan_of_up(&fixture, request)
    };
    let layers = |plan: &Plan| -> BTreeSet<String> {
        plan.steps.iter().filter_map(|s| s.layer.clone()).collect()
    };
    assert_eq!(
        layers(&up("l2", "l2").unwrap()),
        BTreeSet::from(["l2".to_owned()])
    );
    assert_eq!(up("l2", "l1").unwrap_err().exit, Exit::Usage);
    assert_eq!(up("l1", "l9").unwrap_err().exit, Exit::Unknown);
}

#[test]
fn a_layer_without_a_default_has_no_part_in_up() {
    let text = layer(
        "[[recipe]]\nname = \"x\"\n[[recipe.step]]\nid = \"s\"\nuse = \"note\"\n[[recipe]]\nname = \"y\"\n[[recipe.step]]\nid = \"s\"\nuse = \"note\"\n",
    );
    let other = text.replace("\"l2\"", "\"l3\"").replace("\"y\"", "\"z\"");
    let other = other.replace("\"x\"", "\"w\"");
    let with = other.replace("name = \"Instantiate\"", "name = \"I\"\ndefault = \"z\"");
    let up = |third: &str, from: Option<&str>| {
        let fixture = Fixture::new(&[("l2-b", &text), ("l3-c", third)]);
        let request = UpRequest {
            from: from.map(str::to_owned),
            ..UpRequest::default()
        };
        plan_of_up(&fixture, request)
    };
    assert_eq!(edges(&up(&with, None).unwrap()), "z/s <- ");
    // Whoever names it is told.
    let named = up(&with, Some("l2")).unwrap_err();
    assert!(named.to_string().contains("`l2` has no default recipe"));
    let nothing = up(&other, None).unwrap_err();
    assert!(nothing.to_string().contains("nothing to run"));
}

#[test]
fn no_secret_gets_into_a_plan() {
    let text = layer(
        "[[recipe]]\nname = \"x\"\nparams = [{ name = \"a\", default = \"\" }]\n[[recipe.step]]\nid = \"s\"\nuse = \"note\"\nwith = { a = \"{{ a }}\", b = \"{{ var.ODD }}\" }\n",
    );
    let fixture = Fixture::new(&[("l2-b", &text)])
        .set("PM_TOKEN_SECRET", "hunter-22", true)
        .set("ODD", "harmless", false);
    assert!(fixture.plan("x fine").is_ok());
    let typed = fixture.plan("x pre-hunter-22").unwrap_err();
    assert!(typed.to_string().contains("`PM_TOKEN_SECRET`"));
    let marked = fixture.set("ODD", "secret-by-source", true).report("x");
    assert!(
        marked.contains("template uses the secret variable `ODD`"),
        "{marked}"
    );
    assert!(!marked.contains("secret-by-source"));
}

#[test]
fn a_recipe_is_added_by_editing_toml_only() {
    let fixture = lab();
    let file = fixture.lab.paths.layers().join("l2-instantiate/layer.toml");
    let mut text = fs::read_to_string(&file).unwrap();
    text.push_str(
        "\n[[recipe]]\nname = \"l2-hello\"\ndoc = \"Says hello\"\ndeps = [\"l2-apply\"]\n[[recipe.step]]\nid = \"say\"\nuse = \"note\"\nwith = { text = \"{{ steps['l2-apply/apply'].outputs }}\" }\n",
    );
    fs::write(&file, text).unwrap();
    let listed = fixture.load().unwrap().list();
    let names: Vec<_> = listed[1].recipes.iter().map(|r| r.usage.as_str()).collect();
    assert_eq!(
        names,
        [
            "l2-apply [ENV] [--node NODE] [--parallelism PARALLELISM] [--dry]",
            "l2-hello"
        ]
    );
    let plan = fixture.plan("l2-hello").unwrap();
    let last = plan.steps.last().unwrap();
    assert_eq!(last.id, StepId::from("l2-hello/say"));
    assert_eq!(last.needs, [StepId::from("l2-apply/apply")]);
    assert_eq!(last.with["text"], "${steps.l2-apply/apply.outputs}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any recipes that depend on earlier ones: each runs once, after all it depends on.
    #[test]
    fn once_and_in_order(
        deps in prop::collection::vec((prop::collection::vec(0usize..8, 0..4), any::<bool>(), 0usize..3), 1..8),
    ) {
        let mut text = String::from(HEAD);
        for (index, (deps, parallel, steps)) in deps.iter().enumerate() {
            let deps: Vec<String> = deps.iter().filter(|d| **d < index).map(|d| format!("\"r{d}\"")).collect();
            writeln!(text, "[[recipe]]\nname = \"r{index}\"\nparallel = {parallel}\ndeps = [{}]", deps.join(", ")).unwrap();
            for step in 0..*steps {
                writeln!(text, "[[recipe.step]]\nid = \"s{step}\"\nuse = \"note\"").unwrap();
            }
        }
        let fixture = Fixture::new(&[("l2-b", &text)]);
        let last = deps.len() - 1;
        let plan = fixture.plan(&format!("r{last}")).unwrap();
        let ids: BTreeSet<&StepId> = plan.steps.iter().map(|s| &s.id).collect();
        prop_assert_eq!(ids.len(), plan.steps.len());
        let sorted = order(&plan).unwrap();
        let at = |id: &StepId| sorted.iter().position(|other| other == id);
        // Every step comes after every step of what its recipe depends on, by needs alone.
        let mut before: BTreeMap<&StepId, BTreeSet<&StepId>> = BTreeMap::new();
        for id in &sorted {
            let step = plan.step(id).unwrap();
            let mut all: BTreeSet<&StepId> = step.needs.iter().collect();
            for need in &step.needs {
                all.extend(before[need].iter().copied());
            }
            before.insert(&step.id, all);
        }
        for step in &plan.steps {
            let recipe: usize = step.recipe.trim_start_matches('r').parse().unwrap();
            for dep in deps[recipe].0.iter().filter(|d| **d < recipe) {
                for other in plan.steps.iter().filter(|s| s.recipe == format!("r{dep}")) {
                    prop_assert!(before[&step.id].contains(&other.id), "{} not after {}", step.id, other.id);
                    prop_assert!(at(&other.id) < at(&step.id));
                }
            }
        }
    }
}

#[test]
fn outputs_are_passed_on_and_not_worked_with() {
    let with = |value: &str| {
        let text = layer(&format!(
            "[[recipe]]\nname = \"x\"\n[[recipe.step]]\nid = \"a\"\nuse = \"note\"\n[[recipe.step]]\nid = \"b\"\nuse = \"note\"\nwith = {{ v = \"{value}\" }}\n"
        ));
        Fixture::new(&[("l2-b", &text)]).plan("x")
    };
    for (template, plain) in [
        ("{{ steps.a.n }}", "${steps.x/a.n}"),
        (
            "{{ steps.a.n }}/{{ steps.a.m }}",
            "${steps.x/a.n}/${steps.x/a.m}",
        ),
        ("{{ steps.a.n ~ '/y' }}", "${steps.x/a.n}/y"),
    ] {
        let plan = with(template).unwrap();
        assert_eq!(plan.steps[1].with["v"], plain);
    }
    for template in [
        "{{ steps.a.n | upper }}",
        "{{ steps.a.n == 'x' }}",
        "{% if steps.a.n %}y{% endif %}",
        "{{ 'y' if steps.a.n else 'z' }}",
    ] {
        let failure = with(template).unwrap_err();
        let message = failure.to_string();
        assert!(
            message.contains("known only when the step has run"),
            "{template}: {message}"
        );
    }
}

#[test]
fn recipes_on_two_nodes_have_the_variables_of_each() {
    const TEXT: &str = r#"
env = ["PVE_STORAGE_VM"]
[[recipe]]
name = "both"
deps = ["one a --node=n1", "one b --node=n2"]
parallel = true
[[recipe]]
name = "one"
params = [{ name = "env" }, { name = "node", option = true, default = "{{ var.PVE_NODE }}" }]
[[recipe.step]]
id = "make"
use = "note"
with = { storage = "{{ var.PVE_STORAGE_VM }}", node = "{{ var.PVE_NODE }}" }
"#;
    let vars = |storage: &str| {
        let pairs = [("PVE_STORAGE_VM", storage), ("PVE_NODE", "n")];
        let var = |(name, value): (&str, &str)| {
            let var = Var {
                value: value.to_owned(),
                from: Provenance::Default,
                secret: false,
            };
            (name.to_owned(), var)
        };
        pairs.map(var).into()
    };
    let mut fixture = Fixture::new(&[("l2-x", &layer(TEXT))]);
    let torn = Failure::message(Exit::Definition, "`PVE_STORAGE_VM` is two things");
    let of = [
        ("n1", Ok(vars("tank"))),
        ("n2", Ok(vars("pool"))),
        ("n3", Err(torn)),
    ];
    fixture.env = Environment::default().with_nodes(Nodes {
        of: of.map(|(node, vars)| (node.to_owned(), vars)).into(),
        ..Nodes::default()
    });
    let plan = fixture.plan("both").unwrap();
    let steps: Vec<_> = plan
        .steps
        .iter()
        .map(|step| (step.node.as_deref().unwrap(), step.with["storage"].clone()))
        .collect();
    assert_eq!(steps, [("n1", "tank".into()), ("n2", "pool".into())]);
    // Without a file of its own a node has what everybody has, here nothing.
    assert_eq!(
        fixture.plan("one a --node n4").unwrap_err().exit,
        Exit::Runway
    );
    let report = fixture.report("one a --node n3");
    assert!(report.starts_with("exit 65\n"), "{report}");
    assert!(report.contains("two things"), "{report}");
}
