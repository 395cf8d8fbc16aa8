//! Laws of the merge, over trees that are made up: the later layer wins, key
//! by key; keys stay where they were first seen; what was resolved resolves to
//! itself; what must not fail open fails.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use hl::diag::Exit;
use hl::site::Tree;
use hl::site::secrets::Secrets;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::stage::Stage;

/// A layer: keys in their order, each with a number or nothing.
type Layer = Vec<(String, Option<u32>)>;

fn layer() -> impl Strategy<Value = Layer> {
    let keys = ["cores", "memory", "disk", "own_a", "own_b", "own_c"];
    let picked = prop::sample::subsequence(keys.to_vec(), 0..=keys.len()).prop_shuffle();
    picked.prop_flat_map(|keys| {
        let values = prop::collection::vec(prop::option::weighted(0.8, 64u32..128), keys.len());
        values.prop_map(move |values| {
            let keys = keys.iter().map(|key| (*key).to_owned());
            keys.zip(values).collect()
        })
    })
}

fn yaml(layer: &Layer) -> String {
    let shown = |value: &Option<u32>| value.map_or("null".to_owned(), |n| n.to_string());
    let lines = layer.iter();
    let lines: Vec<String> = lines
        .map(|(key, value)| format!("{key}: {}", shown(value)))
        .collect();
    lines.join("\n")
}

fn inline(layer: &Layer) -> String {
    yaml(layer).replace('\n', ", ")
}

/// The layers laid one over the other, as the rule says.
fn laid(layers: &[&Layer]) -> Vec<(String, Value)> {
    let mut out: Vec<(String, Value)> = Vec::new();
    for (key, value) in layers.iter().flat_map(|layer| layer.iter()) {
        let value = value.map_or(Value::Null, Value::from);
        match out.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => *old = value,
            None => out.push((key.clone(), value)),
        }
    }
    out
}

fn tree(stage: &Stage) -> Tree {
    let root = Utf8PathBuf::from_path_buf(stage.path("")).unwrap();
    Tree::new(root, "conf")
}

/// The machines of an environment, keys in order.
fn machines(stage: &Stage, env: &str) -> Vec<Vec<(String, Value)>> {
    let resolved = tree(stage).resolve_env(env, "n", None).unwrap();
    let vms = resolved.value.items("vms");
    vms.iter()
        .map(|vm| {
            let vm = vm.map().unwrap();
            let json = serde_json::to_value(resolved.redacted()).unwrap();
            let all = json["vms"].as_array().unwrap();
            let name = vm.text("name").unwrap();
            let own = all.iter().find(|vm| vm["name"] == name).unwrap();
            vm.iter()
                .map(|(key, _)| (key.to_owned(), own[key].clone()))
                .collect()
        })
        .collect()
}

fn stage() -> Stage {
    let stage = Stage::empty();
    stage.write("nodes/n.yaml", "datastore: d\n");
    stage
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_later_layer_wins_and_keys_stay_where_they_were_first_seen(
        preset in layer(), template in layer(), instance in layer(), base in prop::option::of(0u32..9000),
    ) {
        prop_assume!(!preset.is_empty());
        let stage = stage();
        stage.write("vms/presets/p.yaml", &yaml(&preset));
        stage.write("vms/t.yaml", &format!("preset: p\n{}", yaml(&template)));
        let base_line = base.map_or(String::new(), |base| format!("vmid_base: {base}\n"));
        let inner = inline(&instance);
        let comma = if inner.is_empty() { "" } else { ", " };
        stage.write("envs/e.yaml", &format!(
            "{base_line}vms:\n  - {{name: a, template: t{comma}{inner}}}\n  - {{name: b, vm_preset: p{comma}{inner}}}\n  - {{name: c{comma}{inner}}}\n",
        ));
        let found = machines(&stage, "e");
        let layers: [(&str, Vec<&Layer>); 3] =
            [("a", vec![&preset, &template]), ("b", vec![&preset]), ("c", vec![])];
        for (index, (name, under)) in layers.into_iter().enumerate() {
            let mut expected = laid(&under);
            expected.push(("name".to_owned(), json!(name)));
            for (key, value) in laid(&[&instance]) {
                match expected.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, old)) => *old = value,
                    None => expected.push((key, value)),
                }
            }
            let vmid = base.map_or(Value::Null, |base| json!(base + u32::try_from(index).unwrap()));
            expected.push(("vmid".to_owned(), vmid));
            expected.push(("bridge".to_owned(), json!("vmbr0")));
            expected.push(("auth_token".to_owned(), json!("")));
            prop_assert_eq!(&found[index], &expected);
        }
    }

    #[test]
    fn what_was_resolved_resolves_to_itself(
        preset in layer(), instance in layer(), base in 100u32..9000,
    ) {
        prop_assume!(!preset.is_empty());
        let stage = stage();
        stage.write("vms/presets/p.yaml", &yaml(&preset));
        let inner = inline(&instance);
        let comma = if inner.is_empty() { "" } else { ", " };
        stage.write("envs/e.yaml", &format!(
            "vmid_base: {base}\nvms:\n  - {{name: a, vm_preset: p{comma}{inner}}}\n  - {{name: b}}\n",
        ));
        let first = machines(&stage, "e");
        prop_assert_eq!(&machines(&stage, "e"), &first);
        // JSON is YAML: the answer is an environment.
        let objects: Vec<BTreeMap<String, Value>> =
            first.iter().map(|vm| vm.iter().cloned().collect()).collect();
        stage.write("envs/f.yaml", &json!({ "vms": objects }).to_string());
        let again = machines(&stage, "f");
        for (again, first) in again.iter().zip(&first) {
            let sorted = |vm: &[(String, Value)]| vm.iter().cloned().collect::<BTreeMap<_, _>>();
            prop_assert_eq!(sorted(again), sorted(first));
        }
    }

    #[test]
    fn packages_are_joined_and_each_is_there_once(
        site in prop::collection::vec("[a-d]", 0..6), own in prop::collection::vec("[b-f]", 0..6),
    ) {
        let stage = stage();
        let list = |names: &[String]| format!("[{}]", names.join(", "));
        stage.write("site.yaml", &format!("defaults: {{packages: {}}}\n", list(&site)));
        stage.write("postures/dev.yaml", &format!("packages: {}\n", list(&own)));
        stage.write("envs/e.yaml", "");
        let resolved = tree(&stage).resolve_ansible("e", None).unwrap();
        let found: Vec<String> = resolved.value.items("packages").iter()
            .map(|item| item.text().unwrap().to_owned()).collect();
        let mut expected: Vec<String> = Vec::new();
        for name in site.iter().chain(&own) {
            if !expected.contains(name) {
                expected.push(name.clone());
            }
        }
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn null_wins_and_defaults_do_not_come_back() {
    let stage = stage();
    stage.write("site.yaml", "defaults: {bridge: br7, gateway: 10.0.0.1}\n");
    stage.write(
        "envs/e.yaml",
        "vmid_base: 0\nvms:\n  - {name: a, vmid: null, bridge: null, gateway: null}\n  - {name: b, ip: dhcp}\n",
    );
    let vms = machines(&stage, "e");
    let get = |vm: usize, key: &str| vms[vm].iter().find(|(k, _)| k == key).unwrap().1.clone();
    assert_eq!(
        (get(0, "vmid"), get(0, "bridge"), get(0, "gateway")),
        (json!(null), json!(null), json!(null))
    );
    assert_eq!((get(1, "vmid"), get(1, "bridge")), (json!(1), json!("br7")));
    assert_eq!(get(1, "gateway"), json!("10.0.0.1"), "also for dhcp");
    // A default that is nothing is kept as it is; without one there is no key.
    stage.write("site.yaml", "defaults: {gateway: null}\n");
    stage.write("envs/e.yaml", "vms:\n  - {name: a}\n");
    let vms = machines(&stage, "e");
    let keys: Vec<&str> = vms[0].iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["name", "vmid", "bridge", "gateway", "auth_token"]);
    stage.write("site.yaml", "");
    let keys: Vec<String> = machines(&stage, "e")[0]
        .iter()
        .map(|(key, _)| key.clone())
        .collect();
    assert_eq!(keys, ["name", "vmid", "bridge", "auth_token"]);
}

#[test]
fn what_proves_a_machine_never_fails_open() {
    let secrets = Secrets::default();
    for (file, text) in [
        ("v2/postures/dev.yaml", "auth: {method: tokn}\n"),
        ("v2/postures/dev.yaml", "auth: {method: 7}\n"),
        ("v2/postures/dev.yaml", "auth: yes\n"),
        ("v2/postures/dev.yaml", "auth: {methd: site_token}\n"),
        ("v2/postures/other.yaml", ""),
        ("envs/e.yaml", "posture: gone\nvms: [{name: a}]\n"),
        ("envs/e.yaml", "posture: null\nvms: [{name: a}]\n"),
        ("envs/e.yaml", "posture: ''\nvms: [{name: a}]\n"),
        (
            "envs/e.yaml",
            "posture: ../postures/dev\nvms: [{name: a}]\n",
        ),
    ] {
        let stage = stage();
        stage.write("envs/e.yaml", "vms: [{name: a}]\n");
        stage.write(file, text);
        let failure = tree(&stage)
            .resolve_env("e", "n", Some(&secrets))
            .unwrap_err();
        assert_eq!(failure.exit, Exit::Definition, "{file}: {text}");
    }
    // Without a posture of the kind anywhere there is nothing to hold to.
    let stage = stage();
    stage.write("envs/e.yaml", "vms: [{name: a}]\n");
    assert!(tree(&stage).resolve_env("e", "n", Some(&secrets)).is_ok());
}

#[test]
fn addresses_are_real() {
    for (ip, good) in [
        ("192.0.2.1/24", true),
        ("0.0.0.0/0", true),
        ("10.0.0.1/32", true),
        ("dhcp", true),
        ("null", true),
        ("10.0.0.1/33", false),
        ("10.0.0.256/24", false),
        ("10.0.0/24", false),
        ("10.0.0.1", false),
        ("010.0.0.1/24", false),
        ("10.0.0.1/ 8", false),
        ("10.0.0.1/+8", false),
        ("fe80::1/64", false),
        ("DHCP", false),
        ("''", false),
        ("7", false),
        ("[dhcp]", false),
    ] {
        let stage = stage();
        stage.write("envs/e.yaml", &format!("vms: [{{name: a, ip: {ip}}}]\n"));
        let resolved = tree(&stage).resolve_env("e", "n", None);
        assert_eq!(resolved.is_ok(), good, "{ip}");
    }
}

#[test]
fn what_is_not_there_is_told_by_whom_and_where() {
    let stage = stage();
    stage.write(
        "envs/e.yaml",
        "vms:\n  - {name: a, template: t}\n  - {name: b, vm_preset: gone}\n  - {name: c, template: t}\n",
    );
    stage.write("vms/t.yaml", "preset: small\n");
    stage.write("vms/presets/smal.yaml", "cores: 1\n");
    let failure = tree(&stage).resolve_env("e", "n", None).unwrap_err();
    let found: Vec<_> = failure
        .diagnostics
        .iter()
        .map(|d| {
            let place = d.place.as_ref().unwrap();
            (
                place.path().to_string(),
                place.line_column(),
                d.message.as_str(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (
                "conf/envs/e.yaml".to_owned(),
                (3, 26),
                "there is no preset `gone`"
            ),
            (
                "conf/vms/t.yaml".to_owned(),
                (1, 9),
                "there is no preset `small`"
            ),
        ]
    );
    assert_eq!(
        failure.diagnostics[1].help,
        [hl::diag::say("did you mean `smal`?")]
    );
    for (env, node, exit) in [
        ("x", "n", Exit::Unknown),
        ("e", "x", Exit::Unknown),
        ("../e", "n", Exit::Usage),
    ] {
        assert_eq!(
            tree(&stage).resolve_env(env, node, None).unwrap_err().exit,
            exit
        );
    }
    stage.write("nodes/n.yaml", "");
    stage.write("envs/e.yaml", "");
    let failure = tree(&stage).resolve_env("e", "n", None).unwrap_err();
    assert!(
        failure.to_string().contains("expected a mapping"),
        "{failure}"
    );
}
