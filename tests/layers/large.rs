//! Labs that are too large, or large enough that no reader may look at
//! everything for each thing.

use std::fmt::Write;
use std::fs;

use crate::support::TestLab;

const HEAD: &str = "[layer]\nid = \"l1\"\nname = \"x\"\n";

fn lab(recipes: &str) -> TestLab {
    let lab = TestLab::empty();
    lab.write("layers/l1-x/layer.toml", &format!("{HEAD}{recipes}"));
    lab
}

/// A recipe of one step.
fn recipe(text: &mut String, name: &str, deps: &str) {
    write!(
        text,
        "[[recipe]]\nname = \"{name}\"\ndeps = [{deps}]\nparams = [{{ name = \"p\", default = \"\" }}]\n\
         [[recipe.step]]\nid = \"s\"\nuse = \"command\"\nwith = {{ argv = [\"true\"] }}\n"
    )
    .unwrap();
}

#[test]
fn a_long_chain_of_recipes_is_one_plan() {
    const COUNT: usize = 2000;
    let mut text = String::new();
    for at in 0..COUNT {
        let before = at
            .checked_sub(1)
            .map(|at| format!("\"r{at}\""))
            .unwrap_or_default();
        // All of them need the first one, too.
        let first = if at > 1 { ", \"r0\"" } else { "" };
        recipe(&mut text, &format!("r{at}"), &(before + first));
    }
    let lab = lab(&text);
    let plan = lab
        .hl(&format!("plan --json r{}", COUNT - 1))
        .exits(0)
        .json();
    let steps = plan["steps"].as_array().unwrap();
    assert_eq!(steps.len(), COUNT);
    // What another need brings along is left out.
    for (at, step) in steps.iter().enumerate().skip(1) {
        let needs: Vec<&str> = step["needs"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|n| n.as_str())
            .collect();
        assert_eq!(needs, [format!("r{}/s", at - 1)], "{step}");
    }
}

/// One level of a program's stack for each would be too many.
#[test]
fn a_chain_may_be_very_long() {
    let mut text = String::new();
    for at in 0..20_000_usize {
        let before = at.checked_sub(1).map(|at| format!("\"r{at}\""));
        recipe(&mut text, &format!("r{at}"), &before.unwrap_or_default());
    }
    let plan = lab(&text).hl("plan --json r19999").exits(0).stdout;
    assert_eq!(plan.matches("\"action\": \"command\"").count(), 20_000);
}

#[test]
fn a_long_circle_is_told_once() {
    let mut text = String::new();
    for at in 0..5000 {
        recipe(
            &mut text,
            &format!("r{at}"),
            &format!("\"r{}\"", (at + 1) % 5000),
        );
    }
    recipe(&mut text, "own", "\"own\"");
    let ran = lab(&text).hl("plan r7").exits(65);
    let circles = ran
        .stderr
        .matches("depend on each other in a circle")
        .count();
    assert_eq!(circles, 2, "{}", ran.stderr.len());
    ran.says(&[
        "circle: r0 -> r1 -> r2",
        "-> r4999 -> r0",
        "circle: own -> own",
    ]);
}

#[test]
fn deps_that_double_end_in_a_finding() {
    let mut text = String::new();
    for at in 0..30 {
        let next = at + 1;
        let deps = format!("\"r{next} {{{{ p }}}}a\", \"r{next} {{{{ p }}}}b\"");
        recipe(&mut text, &format!("r{at}"), &deps);
    }
    text.push_str("[[recipe]]\nname = \"r30\"\nparams = [{ name = \"p\" }]\n");
    for step in 0..10_000 {
        write!(
            text,
            "[[recipe.step]]\nid = \"s{step}\"\nuse = \"command\"\nwith = {{ argv = [\"true\"] }}\n"
        )
        .unwrap();
    }
    let lab = lab(&text);
    lab.hl("plan r0").exits(65).says(&[
        "`r0` has more than 1000000 steps",
        "layers/l1-x/layer.toml",
        "name = \"r30\"",
        "runs more than",
        "give `r30` the same arguments in the `deps` that lead to it",
    ]);
    // What stays below is a plan.
    lab.hl("plan --json r29").exits(0);
}

#[test]
fn an_argument_that_fits_into_no_name_of_a_file_is_refused_before_anything_starts() {
    let lab = TestLab::shipped();
    let long = "a".repeat(300);
    for name in [
        "PM_TOKEN_ID",
        "PM_TOKEN_SECRET",
        "PVE_ACCESS_HOST",
        "PVE_NODE",
        "PVE_STORAGE_VM",
        "PVE_BUILD_ADDRESS",
    ] {
        let old = fs::read_to_string(lab.path(".env")).unwrap_or_default();
        lab.write(".env", &format!("{old}{name}=x@y!z\n"));
    }
    for (recipe, param) in [
        ("l2-apply", "env"),
        ("l3-converge", "env"),
        ("l1-ensure", "name"),
        ("l2-destroy", "env"),
    ] {
        let ran = lab.hl(recipe).arg(&long).arg("--yes").exits(2);
        let param = if ran.stderr.contains("argument `template`") {
            "template"
        } else {
            param
        };
        ran.says(&[
            &format!("argument `{param}` of `{recipe}` has 300 characters, at most 100 fit"),
            "/layer.toml:",
            "becomes a part of names of files",
        ]);
    }
    lab.hl("l2-apply dev --node")
        .arg(&long)
        .arg("--yes")
        .exits(2)
        .says(&["argument `node`"]);
    assert!(!lab.path("state").exists() && !lab.path(".build").exists());
}

#[test]
fn long_arguments_of_a_command_are_its_own_business() {
    let lab = TestLab::empty();
    lab.write(
        "layers/l1-x/layer.toml",
        &format!(
            "{HEAD}[[recipe]]\nname = \"say\"\nparams = [{{ name = \"p\" }}]\n[[recipe.step]]\nid = \"s\"\n\
             use = \"command\"\nwith = {{ argv = [\"echo\", \"{{{{ p }}}}\"] }}\n\
             [[recipe]]\nname = \"twice\"\nparams = [{{ name = \"p\" }}]\n\
             deps = [\"say {{{{ p }}}}1\", \"say {{{{ p }}}}2\"]\n"
        ),
    );
    let long = "a".repeat(300);
    lab.hl("say").arg(&long).exits(0);
    // Its steps are named for it, and their logs for them.
    lab.hl("twice").arg(&long).exits(0);
    let mut logs = Vec::new();
    for run in fs::read_dir(lab.path("state/logs")).unwrap() {
        for file in fs::read_dir(run.unwrap().path()).unwrap() {
            let file = file.unwrap();
            if file.file_name().to_string_lossy().starts_with("say-") {
                logs.push(fs::read_to_string(file.path()).unwrap());
            }
        }
    }
    for said in [&long, &format!("{long}1"), &format!("{long}2")] {
        let of = logs
            .iter()
            .filter(|log| log.lines().any(|line| line.ends_with(&format!(" {said}"))));
        assert!(of.count() > 0, "{said} is not in {logs:?}");
    }
}
