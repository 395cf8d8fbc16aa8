//! Ten thousand nodes: in a row, in one, in many.

use std::fmt::Write;

use serde_json::Value;

use crate::site::stage::Stage;

const NODES: usize = 10_000;

/// A manifest whose nodes have these parents.
fn manifest(parent: impl Fn(usize) -> Option<usize>) -> String {
    let mut text = "schema_version: 2\nname: m\npattern: tiered\nnodes:\n".to_owned();
    for at in 0..NODES {
        let parent = parent(at).map_or("null".to_owned(), |parent| format!("n{parent}"));
        writeln!(
            text,
            "  - {{name: n{at}, type: pve, preset: vm-small, image: debian-12, vmid: {}, parent: {parent}}}",
            at + 100
        )
        .unwrap();
    }
    text
}

fn graph(stage: &Stage, parent: impl Fn(usize) -> Option<usize>) -> Value {
    stage.write("manifests/m.yaml", &manifest(parent));
    stage.manifest("check m").exits(0);
    stage.manifest("graph m --json").exits(0).json()
}

#[test]
fn any_shape_is_ordered() {
    let stage = Stage::example();
    let expected: Vec<String> = (0..NODES).map(|at| format!("n{at}")).collect();
    let reversed: Vec<&String> = expected.iter().rev().collect();
    let shapes: [fn(usize) -> Option<usize>; 3] = [
        |at| at.checked_sub(1),
        |at| (at > 0).then_some(0),
        |at| at.checked_sub(1).map(|above| above / 10),
    ];
    for parent in shapes {
        let graph = graph(&stage, parent);
        assert_eq!(graph["create"], serde_json::json!(expected));
        assert_eq!(graph["destroy"], serde_json::json!(reversed));
    }
    // A deep tree is not indented without end.
    let tree = {
        stage.write("manifests/m.yaml", &manifest(|at| at.checked_sub(1)));
        stage.manifest("graph m").exits(0).stdout
    };
    assert_eq!(tree.lines().count(), NODES + 1);
    assert!(tree.contains("[9999 deep] n9999 (pve 10099)"));
    assert!(tree.lines().all(|line| line.chars().count() < 150));
}

/// One ring through all nodes is one finding, and a broken file stays readable.
#[test]
fn what_is_wrong_with_many_is_told_in_bounds() {
    let stage = Stage::example();
    stage.write("manifests/m.yaml", &manifest(|at| Some((at + 1) % NODES)));
    let ran = stage.manifest("check m").exits(65);
    ran.says(&[
        "node `n0` is in itself: `n0` -> `n1` -> ",
        "more ... -> `n0`",
        "1 error",
    ]);
    assert!(ran.stderr.len() < 4_000, "{}", ran.stderr.len());
    stage.write("manifests/m.yaml", &manifest(|at| Some(at + NODES)));
    let report = stage.manifest("check m --json").exits(65).json();
    assert_eq!(report["errors"], NODES);
}
