//! `hl manifest graph` of the example's manifests.

use serde_json::{Value, json};

use crate::site::stage::Stage;

fn drawn(words: &str) -> String {
    let stage = Stage::example();
    let ran = stage.manifest(&format!("graph {words}"));
    ran.exits(0).stdout
}

#[test]
fn a_tree_shows_who_is_in_whom() {
    insta::assert_snapshot!(drawn("n3-full"), @r"
    n3-full
    ├── root-pve (pve 31011)
    │   └── leaf-pve (pve 31021)
    │       └── edge (vm 31031)
    └── side (vm 31041)
    ");
    insta::assert_snapshot!(drawn("farm"), @r"
    farm
    ├── a (vm 32001)
    ├── b (vm 32002)
    └── c (vm 32003)
    ");
}

#[test]
fn graphviz_and_mermaid_have_every_node_and_edge() {
    let dot = drawn("n2-quick --dot");
    insta::assert_snapshot!(dot, @r#"
    digraph manifest {
      rankdir=LR;
      node [shape=box];
      label="n2-quick";
      "root-pve" [label="root-pve\npve 31011"];
      "edge" [label="edge\nvm 31021"];
      "root-pve" -> "edge";
    }
    "#);
    assert_eq!(drawn("n2-quick --format dot"), dot);
    let mermaid = drawn("n2-quick --mermaid");
    insta::assert_snapshot!(mermaid, @r#"
    flowchart LR
      n0["root-pve<br/>pve 31011"]
      n1["edge<br/>vm 31021"]
      n0 --> n1
    "#);
    assert_eq!(drawn("n2-quick --format mermaid"), mermaid);
    let stage = Stage::example();
    stage.manifest("graph n2-quick --dot --mermaid").exits(2);
}

#[test]
fn json_has_both_orders() {
    let graph: Value = serde_json::from_str(&drawn("n3-full --json")).unwrap();
    assert_eq!(
        graph,
        json!({
            "schema": "hl.manifest-graph/1",
            "manifest": "n3-full",
            "create": ["root-pve", "side", "leaf-pve", "edge"],
            "destroy": ["edge", "leaf-pve", "side", "root-pve"],
            "nodes": [
                {"name": "root-pve", "type": "pve", "vmid": 31011, "parent": null},
                {"name": "leaf-pve", "type": "pve", "vmid": 31021, "parent": "root-pve"},
                {"name": "edge", "type": "vm", "vmid": 31031, "parent": "leaf-pve"},
                {"name": "side", "type": "vm", "vmid": 31041, "parent": null},
            ],
            "edges": [
                {"from": "root-pve", "to": "leaf-pve"},
                {"from": "leaf-pve", "to": "edge"},
            ],
        })
    );
}
