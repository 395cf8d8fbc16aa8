//! Twenty-five faults in manifests, each told with its place. A `^` marks where in
//! its file a fault is, and is taken out before the file is written.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::plan::keeps_a_certificate;
use crate::support::TestLab;
use crate::support::lab::copy;

/// A manifest with marks, and what is said at each, in order.
type Broken = (&'static str, &'static str, &'static [&'static str]);

const BROKEN: [Broken; 4] = [
    (
        "forms",
        "schema_version: 2
name: forms
^patern: flat
pattern: ^round
nodes:
  - {name: edge, type: ^vmm, image: debian-12}
  - {name: ^Edge_2, type: vm, image: debian-12}
  - {name: ^data, type: vm, image: debian-12}
  - {name: w1, type: vm, image: debian-12, vmid: ^99}
  - {name: w2, type: vm, image: debian-12, disk: ^0}
  - {name: w3, type: vm, image: debian-12, vmid: ^\"31001\"}
  - {name: w4, type: vm, image: debian-12, ^memroy: 1}
  - ^{name: w5, image: debian-12}
settings: {on_error: ^retry, verify_ssh: ^\"yes\"}
execution: {default_mode: ^psh}
",
        &[
            "unknown key `patern`",
            "`pattern` is `round`, expected one of `flat`, `tiered`",
            "`type` is `vmm`, expected one of `vm`, `ct`, `pve`",
            "`name` `Edge_2` is not a host name",
            "`name` `data` is taken: OpenTofu keeps its own files under it",
            "`vmid` is 99, expected 100 to",
            "`disk` is 0, expected 1 to",
            "`vmid` is text, expected a whole number",
            "unknown key `memroy`",
            "a node of a manifest has no `type`",
            "`on_error` is `retry`, expected one of",
            "`verify_ssh` is text, expected `true` or `false`",
            "`default_mode` is `psh`, expected one of",
        ],
    ),
    (
        "graph",
        "schema_version: 2
name: graph
nodes:
  - {name: hyper, type: pve, image: debian-13-pve, vmid: 300}
  - {name: ^hyper, type: vm, image: debian-12}
  - {name: n1, type: vm, image: debian-12, vmid: ^300}
  - {name: n2, type: vm, image: debian-12, spec: ^edgee}
  - {name: n3, type: vm, image: debian-12, preset: ^vm-smal}
  - {name: n4, type: vm, image: ^debian-21}
  - {name: n5, type: vm, image: debian-12, parent: ^hypr}
  - {name: n6, type: vm, image: debian-12, parent: ^n1}
  - {name: r1, type: pve, image: debian-12, parent: ^r2}
  - {name: r2, type: pve, image: debian-12, parent: r3}
  - {name: r3, type: pve, image: debian-12, parent: r1}
  - {name: c1, type: ct, image: other, execution: {mode: ^pull}}
  - {name: c2, type: vm, image: debian-12, parent: ^c1}
",
        &[
            "duplicate node `hyper`, first on line 4",
            "vmid `300` is taken by `hyper` in line 4",
            "there is no spec `edgee`",
            "there is no preset `vm-smal`",
            "there is no template `debian-21` in this lab",
            "there is no node `hypr` in this manifest",
            "node `n6` is in `n1`, a `vm`: only a `pve` holds nodes",
            "node `r1` is in itself: `r1` -> `r2` -> `r3` -> `r1`",
            "node `c1` is a container, which cannot pull its spec",
            "node `c2` is in `c1`, a `ct`: only a `pve` holds nodes",
        ],
    ),
    (
        "levels",
        "name: levels
levels:
  - {name: outer, vm_preset: large, image: debian-13-pve}
  - ^{name: inner, image: debian-12}
",
        &["a level has no `vm_preset`, `template` or `env`"],
    ),
    (
        "state",
        "schema_version: 2
name: ^lab-kestrel
nodes:
  - {name: edge, type: vm, image: debian-12}
",
        &["`name` `lab-kestrel` is taken: an environment's state has it"],
    ),
];

/// A lab with the example site, three templates, and the state of an environment.
fn lab() -> TestLab {
    let lab = TestLab::empty();
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/site/tree");
    copy(&tree, &lab.path("site"));
    let private = fs::Permissions::from_mode(0o600);
    fs::set_permissions(lab.path("site/secrets.yaml"), private).unwrap();
    for name in ["debian-12", "debian-13", "debian-13-pve"] {
        lab.write(&format!("layers/l1-images/{name}/template.toml"), "");
    }
    lab.write(".states/lab-kestrel/terraform.tfstate", "{}");
    keeps_a_certificate(&lab);
    lab
}

/// A text without its marks, and line and column of each.
fn marked(text: &str) -> (String, Vec<(u64, u64)>) {
    let mut plain = String::new();
    let mut marks = Vec::new();
    let (mut line, mut column) = (1, 1);
    for c in text.chars() {
        match c {
            '^' => {
                marks.push((line, column));
                continue;
            }
            '\n' => (line, column) = (line + 1, 1),
            _ => column += 1,
        }
        plain.push(c);
    }
    (plain, marks)
}

/// The errors of a report: file, line, column, message.
fn errors(report: &Value) -> Vec<(String, u64, u64, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["severity"] == "error")
        .map(|finding| {
            (
                text(&finding["file"]),
                finding["line"].as_u64().unwrap(),
                finding["column"].as_u64().unwrap(),
                text(&finding["message"]),
            )
        })
        .collect()
}

#[test]
fn twenty_five_faults_are_told_in_one_run_each_with_its_place() {
    let lab = lab();
    let mut expected = Vec::new();
    for (name, text, messages) in BROKEN {
        let (plain, marks) = marked(text);
        let file = format!("site/manifests/{name}.yaml");
        assert_eq!(marks.len(), messages.len(), "{name}");
        lab.write(&file, &plain);
        let faults = marks.into_iter().zip(messages);
        expected.extend(faults.map(|((line, column), said)| (file.clone(), line, column, *said)));
    }
    assert_eq!(expected.len(), 25);
    let ran = lab.hl("manifest check --json").exits(65);
    let report = ran.json();
    assert_eq!(report["schema"], "hl.manifest-check/1");
    assert_eq!(
        (&report["errors"], &report["files"]),
        (&25.into(), &9.into())
    );
    let found = errors(&report);
    for ((file, line, column, said), found) in expected.iter().zip(&found) {
        let place = (file, line, column);
        assert_eq!((&found.0, &found.1, &found.2), place, "{said}\n{found:?}");
        assert!(found.3.contains(said), "{said}: {found:?}");
    }
    // For people the same, with what would be right.
    lab.hl("manifest check all").exits(65).says(&[
        "9 manifests in `site`: 25 errors, 1 warning",
        "--> site/manifests/graph.yaml:7:50",
        "did you mean `pattern`?",
        "did you mean `edge`?",
        "did you mean `vm-small`?",
        "did you mean `hyper`?",
        "did you mean `debian-12`?",
        "make `n1` a `pve`",
        "`.states/lab-kestrel/terraform.tfstate` is there",
    ]);
    // One by one it is the same again.
    let mut one_by_one = Vec::new();
    for (name, ..) in BROKEN {
        let ran = lab.hl(&format!("manifest check {name} --json")).exits(65);
        one_by_one.extend(errors(&ran.json()));
    }
    assert_eq!(one_by_one, found);
    // The site's own check knows neither templates nor states.
    let site = lab.hl("site check --json").exits(65).json();
    let of_lab = |said: &str| said.contains("in this lab") || said.contains("state has it");
    let of_site: Vec<_> = found
        .into_iter()
        .filter(|found| !of_lab(&found.3))
        .collect();
    assert_eq!(errors(&site), of_site);
}

#[test]
fn a_broken_manifest_is_listed_and_neither_shown_nor_drawn() {
    let lab = lab();
    let (plain, _) = marked(BROKEN[1].1);
    lab.write("site/manifests/graph.yaml", &plain);
    lab.hl("manifest list").exits(0).says(&[
        "graph      not valid: `hl manifest check graph`",
        "farm       flat    3 nodes",
    ]);
    let rows = lab.hl("manifest list --json").exits(0).json();
    let row = &rows["manifests"][1];
    assert_eq!(
        (&row["name"], &row["valid"]),
        (&"graph".into(), &false.into())
    );
    for verb in ["show", "graph"] {
        let ran = lab.hl(&format!("manifest {verb} graph")).exits(65);
        ran.says(&["there is no spec `edgee`", "is in itself"]);
        assert_eq!(ran.stdout, "");
    }
}

/// What is wrong in a file that a manifest names stops it, too.
#[test]
fn a_preset_that_is_not_valid_is_told_once() {
    let lab = lab();
    lab.write("site/v2/presets/vm-small.yaml", "cores: 0\n");
    let report = lab.hl("manifest check farm --json").exits(65).json();
    let told = |column| ("site/v2/presets/vm-small.yaml".to_owned(), 1, column);
    let found = errors(&report);
    assert_eq!(found.len(), 1, "{found:?}");
    let (file, line, column, message) = found[0].clone();
    assert_eq!((file, line, column), told(8));
    assert_eq!(message, "`cores` is 0, expected 1 to 512");
    let all = lab.hl("manifest check --json").exits(65).json();
    assert_eq!(errors(&all), found);
}

/// A machine that pulls has to know its controller; one `pull` is told for all of them.
#[test]
fn a_pull_without_controller_or_certificate_is_told_with_its_place() {
    let lab = lab();
    fs::remove_file(lab.path("keep/controller.crt")).unwrap();
    let file = "site/manifests/n3-full.yaml";
    let pull = |column| (file.to_owned(), 9, column);
    let found = errors(&lab.hl("manifest check n3-full --json").exits(65).json());
    let [(path, line, column, message)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!((path.clone(), *line, *column), pull(*column));
    assert!(
        message.contains("certificate `keep/controller.crt` cannot be read"),
        "{message}"
    );
    lab.write("hl.toml", "[lab]\nname = \"test\"\n");
    let site = lab.read("site/site.yaml");
    lab.write(
        "site/site.yaml",
        &site.replace("  spec_server:", "  # spec_server:"),
    );
    let ran = lab.hl("manifest check n3-full").exits(65);
    ran.says(&[
        "no controller is named that machines could ask for their spec",
        "the controller's certificate is not kept",
        "--> site/manifests/n3-full.yaml:9:",
        "node `edge` asks for its spec",
    ]);
    // Where nothing pulls, nobody needs either.
    lab.hl("manifest check farm").exits(0);
}

/// What only `root@pam` may set is told before a run.
#[test]
fn a_feature_that_no_token_may_set_is_told_with_its_place() {
    let lab = lab();
    lab.write(
        "site/vms/box.yaml",
        "kind: ct\nimage: debian-12\nfeatures: [keyctl]\n",
    )
    .write(
        "site/manifests/old.yaml",
        "name: old\nlevels: [{name: a, template: box}]\n",
    );
    let found = errors(&lab.hl("manifest check old --json").exits(65).json());
    let said = "feature `keyctl` of container `a` can be set by `root@pam` alone, not by a token";
    assert_eq!(
        found,
        [("site/vms/box.yaml".to_owned(), 3, 12, said.to_owned())]
    );
}
