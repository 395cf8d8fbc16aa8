//! `hl manifest show`: each value with the file and line that gave it.

use crate::site::stage::Stage;

/// The table with single blanks.
fn shown(stage: &Stage, words: &str) -> Vec<String> {
    let text = stage.manifest(&format!("show {words}")).exits(0).stdout;
    let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    text.lines().map(line).collect()
}

#[test]
fn every_value_has_its_file_and_line() {
    let stage = Stage::example();
    let own = "conf/manifests/n2-quick.yaml";
    let expected = format!(
        "name \"n2-quick\" {own}:2
description \"a hypervisor VM with one guest in it\" {own}:3
pattern \"tiered\" {own}:4
settings.on_error \"stop\" default
settings.verify_ssh true default
settings.cleanup_on_failure true default
settings.timeout_buffer 60 default
nodes[0].name \"root-pve\" {own}:6
nodes[0].type \"pve\" {own}:6
nodes[0].parent null default
nodes[0].spec null default
nodes[0].execution.mode \"push\" default
nodes[0].image \"debian-13-pve\" {own}:6
nodes[0].vmid 31011 {own}:6
nodes[0].cores 4 conf/v2/presets/vm-large.yaml:1
nodes[0].memory 8192 conf/v2/presets/vm-large.yaml:2
nodes[0].disk 64 {own}:6
nodes[0].bridge \"vmbr0\" conf/site.yaml:7
nodes[0].gateway \"192.0.2.1\" conf/site.yaml:8
nodes[1].name \"edge\" {own}:7
nodes[1].type \"vm\" {own}:7
nodes[1].parent \"root-pve\" {own}:7
nodes[1].spec null default
nodes[1].execution.mode \"push\" default
nodes[1].image \"debian-12\" {own}:7
nodes[1].vmid 31021 {own}:7
nodes[1].cores 2 conf/v2/presets/vm-medium.yaml:1
nodes[1].memory 4096 conf/v2/presets/vm-medium.yaml:2
nodes[1].disk 20 conf/v2/presets/vm-medium.yaml:3
nodes[1].bridge \"vmbr0\" conf/site.yaml:7
nodes[1].gateway \"192.0.2.1\" conf/site.yaml:8"
    );
    let found = shown(&stage, "n2-quick");
    assert_eq!(found.join("\n"), expected);
}

#[test]
fn settings_specs_and_modes_are_the_files() {
    let stage = Stage::example();
    let found = shown(&stage, "n3-full");
    let own = "conf/manifests/n3-full.yaml";
    for row in [
        format!("settings.on_error \"rollback\" {own}:11"),
        format!("settings.timeout_buffer 60 {own}:11"),
        format!("nodes[0].spec \"pve\" {own}:7"),
        format!("nodes[0].execution.mode \"push\" {own}:5"),
        format!("nodes[2].execution.mode \"pull\" {own}:9"),
        format!("nodes[2].spec \"edge\" {own}:9"),
        "nodes[3].parent null default".to_owned(),
    ] {
        assert!(found.contains(&row), "{row} is not in {found:#?}");
    }
}

/// `v2/presets/NAME`, then `vms/presets/NAME`, then there without `vm-`.
#[test]
fn a_preset_is_looked_for_in_three_places() {
    let stage = Stage::example();
    let node = |preset: &str| {
        let preset = if preset.is_empty() {
            String::new()
        } else {
            format!(", preset: {preset}")
        };
        stage.write(
            "m.yaml",
            &format!(
                "schema_version: 2\nname: m\nnodes: [{{name: a, type: ct, image: i{preset}}}]\n"
            ),
        );
        let found = shown(&stage, "--manifest-file conf/m.yaml");
        let of = |key: &str| {
            let begin = format!("nodes[0].{key} ");
            found
                .iter()
                .find_map(|row| row.strip_prefix(&begin))
                .unwrap()
                .to_owned()
        };
        (of("disk"), of("vmid"))
    };
    let from_cluster = "null the cluster".to_owned();
    let disk = |text: &str| (text.to_owned(), from_cluster.clone());
    assert_eq!(
        node("vm-xlarge"),
        disk("80 conf/v2/presets/vm-xlarge.yaml:3")
    );
    assert_eq!(node("xlarge"), disk("64 conf/vms/presets/xlarge.yaml:3"));
    assert_eq!(node(""), disk("10 default"));
    stage.remove("v2/presets");
    assert_eq!(node("vm-xlarge"), disk("64 conf/vms/presets/xlarge.yaml:3"));
}

#[test]
fn json_is_the_manifest_as_it_will_be_made() {
    let stage = Stage::example();
    let shown = stage.manifest("show n1-basic --json").exits(0).json();
    assert_eq!(shown["schema"], "hl.manifest-show/1");
    assert_eq!(
        shown["manifest"]["nodes"],
        serde_json::json!([{
            "name": "edge", "type": "vm", "parent": null, "spec": null,
            "execution": {"mode": "push"}, "image": "debian-12", "vmid": 31001,
            "cores": 1, "memory": 2048, "disk": 10,
            "bridge": "vmbr0", "gateway": "192.0.2.1",
        }])
    );
    let row = &shown["values"][0];
    assert_eq!(row["from"], "conf/manifests/n1-basic.yaml:2");
}
