//! A plan as a picture: tree, Graphviz, Mermaid, JSON.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::base::{Lines, arms, dot_text, mermaid_text};
use crate::plan::{Plan, Step, StepId, sanitize};

/// For people: layers, their recipes, their steps, and what a step waits for
/// besides the one above it.
pub fn tree(plan: &Plan) -> String {
    let mut lines = vec![sanitize(&plan.recipe)];
    let layers = groups(&plan.steps, |step| step.layer.clone().unwrap_or_default());
    let last_layer = layers.len();
    for (l, (layer, steps)) in layers.into_iter().enumerate() {
        let (branch, indent) = arms(l + 1 == last_layer);
        lines.push(format!("{branch}{}", layer.to_uppercase()));
        let recipes = groups(steps, |step| step.id.recipe().to_owned());
        let last_recipe = recipes.len();
        for (r, (_, steps)) in recipes.into_iter().enumerate() {
            let (branch, inner) = arms(r + 1 == last_recipe);
            let name = steps.first().map_or("", |step| step.recipe.as_str());
            lines.push(format!("{indent}{branch}{}", sanitize(name)));
            for (s, step) in steps.iter().enumerate() {
                let (branch, _) = arms(s + 1 == steps.len());
                let above = s.checked_sub(1).and_then(|i| steps.get(i));
                lines.push(format!("{indent}{inner}{branch}{}", told(step, above)));
            }
        }
    }
    lines.join("\n") + "\n"
}

/// `apply (tofu.apply) after plan, l1-ensure/build`
fn told(step: &Step, above: Option<&Step>) -> String {
    let mut text = format!("{} ({})", step.id.name(), step.action);
    let only_above = above.is_some_and(|above| step.needs.as_slice() == [above.id.clone()]);
    if !step.needs.is_empty() && !only_above {
        let (own, foreign): (Vec<&StepId>, Vec<&StepId>) = step
            .needs
            .iter()
            .partition(|need| need.recipe() == step.id.recipe());
        let mut names: Vec<String> = own.iter().map(|need| need.name().to_owned()).collect();
        // Many steps of one recipe are told as a number.
        for chunk in foreign.chunk_by(|a, b| a.recipe() == b.recipe()) {
            match chunk {
                [one] => names.push(one.to_string()),
                [first, ..] => {
                    names.push(format!("{} steps of {}", chunk.len(), first.recipe()));
                }
                [] => {}
            }
        }
        text = format!("{text} after {}", names.join(", "));
    }
    if step.approve {
        text.push_str(", asks first");
    }
    if step.finally {
        text.push_str(", at the end");
    }
    text
}

/// For Graphviz. Arrows go from what runs first to what waits for it.
pub fn dot(plan: &Plan) -> String {
    let mut out = String::from("digraph plan {\n  rankdir=LR;\n  node [shape=box];\n");
    for (index, label, steps) in clusters(plan) {
        out.line(format_args!("  subgraph cluster_{index} {{"));
        out.line(format_args!("    label={};", dot_text(label)));
        for step in steps {
            let label = format!("{}\n{}", step.id.name(), step.action);
            let (id, label) = (dot_text(step.id.as_str()), dot_text(&label));
            out.line(format_args!("    {id} [label={label}];"));
        }
        out.line(format_args!("  }}"));
    }
    for step in &plan.steps {
        for need in &step.needs {
            let (from, to) = (dot_text(need.as_str()), dot_text(step.id.as_str()));
            out.line(format_args!("  {from} -> {to};"));
        }
    }
    out.push_str("}\n");
    out
}

/// For Markdown that draws Mermaid.
pub fn mermaid(plan: &Plan) -> String {
    let steps = plan.steps.iter().enumerate();
    let places: HashMap<&StepId, usize> = steps.map(|(at, step)| (&step.id, at)).collect();
    let at = |id: &StepId| places.get(id).copied();
    let mut out = String::from("flowchart LR\n");
    let mut number = 0_usize;
    for (index, label, steps) in clusters(plan) {
        out.line(format_args!(
            "  subgraph g{index}[\"{}\"]",
            mermaid_text(label)
        ));
        for step in steps {
            let (name, action) = (mermaid_text(step.id.name()), mermaid_text(&step.action));
            out.line(format_args!("    s{number}[\"{name}<br/>{action}\"]"));
            number += 1;
        }
        out.line(format_args!("  end"));
    }
    for (to, step) in plan.steps.iter().enumerate() {
        for from in step.needs.iter().filter_map(at) {
            out.line(format_args!("  s{from} --> s{to}"));
        }
    }
    out
}

/// For programs: `{"recipe", "nodes": [{"id", "layer", "recipe", "action"}], "edges": [{"from", "to"}]}`.
pub fn json(plan: &Plan) -> Value {
    let nodes: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| {
            json!({ "id": step.id, "layer": step.layer, "recipe": step.recipe, "action": step.action })
        })
        .collect();
    let edges: Vec<Value> = plan
        .steps
        .iter()
        .flat_map(|step| {
            step.needs
                .iter()
                .map(move |need| json!({ "from": need, "to": step.id }))
        })
        .collect();
    json!({ "recipe": plan.recipe, "nodes": nodes, "edges": edges })
}

/// The steps of each recipe, with its number and what it is called.
fn clusters(plan: &Plan) -> impl Iterator<Item = (usize, &str, &[Step])> {
    let recipes = groups(&plan.steps, |step| step.id.recipe().to_owned());
    let recipes = recipes.into_iter().enumerate();
    recipes.filter_map(|(index, (_, steps))| Some((index, steps.first()?.recipe.as_str(), steps)))
}

/// Neighbours with the same key, in order.
fn groups<K: PartialEq>(steps: &[Step], key: impl Fn(&Step) -> K) -> Vec<(K, &[Step])> {
    steps
        .chunk_by(|a, b| key(a) == key(b))
        .filter_map(|chunk| Some((key(chunk.first()?), chunk)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        let step = |id: &str, recipe: &str, layer: &str, needs: &[&str]| {
            let mut step = Step::new(id, "note");
            step.recipe = recipe.to_owned();
            step.layer = Some(layer.to_owned());
            step.needs = needs.iter().map(|need| StepId::from(*need)).collect();
            step
        };
        let mut steps = vec![
            step("l1-ensure(a)/check", "l1-ensure a", "l1", &[]),
            step(
                "l1-ensure(a)/build",
                "l1-ensure a",
                "l1",
                &["l1-ensure(a)/check"],
            ),
            step("l1-ensure(b)/check", "l1-ensure b", "l1", &[]),
            step(
                "l2-apply/plan",
                "l2-apply \"x\"",
                "l2",
                &["l1-ensure(a)/build", "l1-ensure(b)/check"],
            ),
            step("l2-apply/lock", "l2-apply \"x\"", "l2", &[]),
            step(
                "l2-apply/apply",
                "l2-apply \"x\"",
                "l2",
                &["l2-apply/lock", "l2-apply/plan"],
            ),
        ];
        steps[5].approve = true;
        Plan::new("up \"x\"", steps)
    }

    #[test]
    fn a_tree_says_what_waits() {
        insta::assert_snapshot!(tree(&plan()), @r#"
    up "x"
    ├── L1
    │   ├── l1-ensure a
    │   │   ├── check (note)
    │   │   └── build (note)
    │   └── l1-ensure b
    │       └── check (note)
    └── L2
        └── l2-apply "x"
            ├── plan (note) after l1-ensure(a)/build, l1-ensure(b)/check
            ├── lock (note)
            └── apply (note) after lock, plan, asks first
    "#);
    }

    #[test]
    fn dot_quotes() {
        insta::assert_snapshot!(dot(&plan()), @r#"
    digraph plan {
      rankdir=LR;
      node [shape=box];
      subgraph cluster_0 {
        label="l1-ensure a";
        "l1-ensure(a)/check" [label="check\nnote"];
        "l1-ensure(a)/build" [label="build\nnote"];
      }
      subgraph cluster_1 {
        label="l1-ensure b";
        "l1-ensure(b)/check" [label="check\nnote"];
      }
      subgraph cluster_2 {
        label="l2-apply \"x\"";
        "l2-apply/plan" [label="plan\nnote"];
        "l2-apply/lock" [label="lock\nnote"];
        "l2-apply/apply" [label="apply\nnote"];
      }
      "l1-ensure(a)/check" -> "l1-ensure(a)/build";
      "l1-ensure(a)/build" -> "l2-apply/plan";
      "l1-ensure(b)/check" -> "l2-apply/plan";
      "l2-apply/lock" -> "l2-apply/apply";
      "l2-apply/plan" -> "l2-apply/apply";
    }
    "#);
    }

    #[test]
    fn mermaid_escapes() {
        insta::assert_snapshot!(mermaid(&plan()), @r#"
    flowchart LR
      subgraph g0["l1-ensure a"]
        s0["check<br/>note"]
        s1["build<br/>note"]
      end
      subgraph g1["l1-ensure b"]
        s2["check<br/>note"]
      end
      subgraph g2["l2-apply #quot;x#quot;"]
        s3["plan<br/>note"]
        s4["lock<br/>note"]
        s5["apply<br/>note"]
      end
      s0 --> s1
      s1 --> s3
      s2 --> s3
      s4 --> s5
      s3 --> s5
    "#);
    }

    #[test]
    fn json_has_every_edge() {
        let graph = json(&plan());
        assert_eq!(graph["nodes"].as_array().unwrap().len(), 6);
        assert_eq!(graph["edges"].as_array().unwrap().len(), 5);
        assert_eq!(
            graph["edges"][0],
            json!({"from": "l1-ensure(a)/check", "to": "l1-ensure(a)/build"})
        );
    }
}
