//! Planted faults: each is found, where it is, and all of them at once.

use super::stage::{CILIUM, K3S, PROXMOX, SOPS, TALOS, lab, platform, small};
use crate::support::TestLab;

/// The small adapter's definition, with one line changed or added.
const DEFINITION: &str = "\
[adapter]
name = \"small\"
version = \"1.0.0\"
phase = \"test\"
[[input]]
name = \"color\"
type = \"text\"
default = \"red\"
[[input]]
name = \"nodes\"
type = \"records\"
optional = true
fields = [{ name = \"name\" }]
[[placeholder]]
name = \"key\"
doc = \"a key\"
[[provides]]
capability = \"secrets-management\"
version = \"1.0\"
data = { provider = \"x\", sops_config_path = \"y\" }
[[requires]]
capability = \"cni\"
version = \"1.0\"
[[file]]
template = \"templates/color.txt\"
path = \"color.txt\"
[[script]]
name = \"work\"
stage = \"bootstrap\"
file = \"scripts/work.sh\"
doc = \"works\"
timeout = \"60s\"
fills = [\"key\"]
";

/// What is changed in the definition, what is said, and on which line.
const IN_ADAPTER: &[(&str, &str, &str, usize)] = &[
    (
        "name = \"small\"",
        "name = \"other\"",
        "adapter `other` does not fit its folder `small`",
        2,
    ),
    (
        "version = \"1.0.0\"",
        "version = \"latest\"",
        "`version` is `latest`, expected a version",
        3,
    ),
    (
        "phase = \"test\"",
        "fase = \"test\"",
        "unknown key `fase`",
        4,
    ),
    (
        "type = \"text\"",
        "type = \"string\"",
        "`type` is `string`, expected one of",
        7,
    ),
    (
        "type = \"text\"\ndefault = \"red\"",
        "type = \"int\"\ndefault = \"red\"",
        "the default does not fit: `color` is text",
        8,
    ),
    (
        "type = \"text\"\ndefault = \"red\"",
        "type = \"choice\"\ndefault = \"red\"",
        "input `color` is a choice without `choices`",
        7,
    ),
    (
        "type = \"text\"\ndefault = \"red\"",
        "type = \"secret\"\noptional = true",
        "secret `color` names no `variable`",
        7,
    ),
    (
        "name = \"nodes\"",
        "name = \"color\"",
        "input `color` is defined twice",
        10,
    ),
    (
        "fields = [{ name = \"name\" }]",
        "",
        "input `nodes` holds records without `fields`",
        11,
    ),
    (
        "optional = true",
        "skip = \"not (\"",
        "`skip` is no expression",
        12,
    ),
    (
        "sops_config_path",
        "sops_path",
        "capability `secrets-management` has no `sops_config_path`",
        18,
    ),
    (
        "provider = \"x\"",
        "provider = \"x\", region = \"y\"",
        "has no field `region`",
        20,
    ),
    (
        "capability = \"secrets-management\"",
        "capability = \"orchards\"",
        "capability `orchards` has no contract",
        20,
    ),
    (
        "capability = \"cni\"\nversion = \"1.0\"",
        "capability = \"cni\"\nversion = \"newest\"",
        "`version` is `newest`, expected which versions do",
        23,
    ),
    (
        "capability = \"cni\"",
        "capability = \"secrets-management\"",
        "the adapter requires `secrets-management`, which it provides",
        22,
    ),
    (
        "template = \"templates/color.txt\"",
        "template = \"templates/colour.txt\"",
        "there is no template `templates/colour.txt`",
        25,
    ),
    (
        "path = \"color.txt\"",
        "path = \"../color.txt\"",
        "`path` is `../color.txt`, which leads elsewhere",
        26,
    ),
    (
        "path = \"color.txt\"",
        "path = \"{{ inputs\"",
        "not a template",
        26,
    ),
    (
        "stage = \"bootstrap\"",
        "stage = \"boot\"",
        "`stage` is `boot`, expected one of",
        29,
    ),
    (
        "file = \"scripts/work.sh\"",
        "file = \"scripts/wrok.sh\"",
        "there is no script `scripts/wrok.sh`",
        30,
    ),
    (
        "timeout = \"60s\"",
        "timeout = \"soon\"",
        "`timeout` is `soon`, expected a time",
        32,
    ),
    (
        "fills = [\"key\"]",
        "fills = [\"kee\"]",
        "`kee` is no `[[placeholder]]`",
        33,
    ),
    (
        "stage = \"bootstrap\"",
        "stage = \"check\"",
        "changes nothing, and cannot have `fills`",
        33,
    ),
];

fn plant(lab: &TestLab, definition: &str) {
    small(lab, "#!/bin/sh\n", "");
    lab.write("platform/adapters/small/adapter.toml", definition);
}

#[test]
fn faults_of_an_adapter_have_their_places() {
    let lab = lab(&[SOPS]);
    plant(&lab, DEFINITION);
    lab.hl("platform render").exits(0);
    for (from, to, said, line) in IN_ADAPTER {
        assert!(DEFINITION.contains(from), "{from}");
        plant(&lab, &DEFINITION.replacen(from, to, 1));
        let place = format!("platform/adapters/small/adapter.toml:{line}:");
        lab.hl("platform render").exits(65).says(&[said, &place]);
    }
}

/// What is changed in `platform.yaml`, what is said, and on which line.
const IN_PLATFORM: &[(&str, &str, &str, usize)] = &[
    (
        "\"1.0\"",
        "\"2.0\"",
        "`version` is `2.0`, expected one of `1.0`",
        1,
    ),
    (
        "app_name: acme-lab",
        "app_name: lab",
        "`app_name` is `lab`, expected `acme` or `acme-NAME`",
        2,
    ),
    (
        "organization: acme",
        "organisation: acme",
        "unknown key `organisation`",
        2,
    ),
    ("  sops: {}", "  sosp: {}", "there is no adapter `sosp`", 11),
    ("  sops: {}", "  sops: yes", "expected a mapping", 11),
    (
        "  sops: {}",
        "  sops: {path_regexp: x}",
        "unknown key `path_regexp` of adapter `sops`",
        11,
    ),
    (
        "ip: 10.0.0.5",
        "ip: 10.0.0.500",
        "`ip` of `machines` is `10.0.0.500`",
        6,
    ),
    (
        "vmid: 105",
        "vmid: '105'",
        "`vmid` of `machines` is text, expected a whole number",
        6,
    ),
    (
        "role: controlplane",
        "role: control",
        "`role` of `machines` is `control`, expected one of",
        6,
    ),
    (
        "role: controlplane",
        "role: worker",
        "no machine of `machines` has the role `controlplane`",
        5,
    ),
    (
        "v1.36.4+k3s1",
        "v1.0.0",
        "`version` is `v1.0.0`, which `k3s` does not know",
        8,
    ),
    (
        "  cilium: {",
        "  cilium: {cluster: talos, ",
        "`cluster` is another one than the adapter of group `os`",
        9,
    ),
    (
        "  k3s:",
        "  proxmox: {}\n  k3s:",
        "duplicate key `proxmox`",
        8,
    ),
];

#[test]
fn faults_of_a_platform_have_their_places() {
    let text = platform(&[PROXMOX, K3S, CILIUM, "  # secrets\n", SOPS]);
    let lab = TestLab::empty();
    lab.write("platform/platform.yaml", &text);
    lab.hl("platform render").exits(0);
    for (from, to, said, line) in IN_PLATFORM {
        assert!(text.contains(from), "{from}");
        lab.write("platform/platform.yaml", &text.replacen(from, to, 1));
        let place = format!("platform/platform.yaml:{line}:");
        lab.hl("platform render").exits(65).says(&[said, &place]);
    }
}

#[test]
fn faults_between_adapters_name_all_of_them() {
    let lab = TestLab::empty();
    let of = |adapters: &[&str]| {
        lab.write("platform/platform.yaml", &platform(adapters));
        lab.hl("platform render").exits(65)
    };
    of(&[K3S, CILIUM]).says(&[
        "adapter `k3s` requires capability `cloud-infrastructure`, which no adapter of the platform provides",
        "add one that provides it: `hetzner`, `proxmox`",
        "platform.yaml:4:",
    ]);
    of(&[PROXMOX, K3S]).says(&[
        "adapter `k3s` requires capability `cni`",
        "`cilium`",
        "platform.yaml:8:",
    ]);
    of(&[PROXMOX, K3S, TALOS, CILIUM]).says(&[
        "`k3s` and `talos` provide capability `kubernetes-api`",
        "platform.yaml:9:",
    ]);
    // A version that does not do, a circle, a group without a common capability.
    let adapter = |name: &str, more: &str| {
        let text =
            format!("[adapter]\nname = \"{name}\"\nversion = \"1.0.0\"\nphase = \"x\"\n{more}");
        lab.write(&format!("platform/adapters/{name}/adapter.toml"), &text);
    };
    adapter(
        "a",
        "[[provides]]\ncapability = \"x\"\nversion = \"9.9\"\n[[requires]]\ncapability = \"y\"\nversion = \"1.0\"\n",
    );
    adapter(
        "b",
        "[[provides]]\ncapability = \"y\"\nversion = \"1.2\"\n[[requires]]\ncapability = \"x\"\nversion = \"1.0\"\n",
    );
    of(&["  a: {}\n  b: {}\n"]).says(&[
        "adapter `b` requires `x` 1.0, and `a` provides 9.9",
        "required in platform/adapters/b/adapter.toml:10",
        "adapters require each other in a circle: ",
        "a -> b -> a",
    ]);
    adapter("a", "group = { name = \"g\" }\n");
    adapter("b", "group = { name = \"g\" }\n");
    of(&["  a: {}\n  b: {}\n"]).says(&[
        "`a` and `b` are of group `g`",
        "keep one adapter of group `g`",
    ]);
    // Data that is not as agreed, and a barrier that nobody opens.
    adapter(
        "a",
        "[[provides]]\ncapability = \"kubernetes-api\"\nversion = \"1.30\"\ndata = { cluster_endpoint = \"10.0.0.5\", kubeconfig_path = \"k\", version = \">=1.30\" }\n",
    );
    of(&["  a: {}\n"]).says(&[
        "`cluster_endpoint` of capability `kubernetes-api` is `10.0.0.5`, expected HOST:PORT",
        "adapters/a/adapter.toml:8:",
    ]);
    adapter(
        "a",
        "[[script]]\nname = \"w\"\nstage = \"bootstrap\"\nfile = \"w.sh\"\ndoc = \"w\"\nbarrier = \"cni_ready\"\n",
    );
    lab.write("platform/adapters/a/w.sh", "#!/bin/sh\n");
    of(&["  a: {}\n"])
        .says(&["script `a.w` waits for `cni_ready`, which no script of the platform opens"]);
}

/// Everything that is wrong with all files is told together.
#[test]
fn faults_are_told_at_once() {
    let text = platform(&[PROXMOX, K3S, CILIUM, SOPS])
        .replace("vmid: 105", "vmid: '105'")
        .replace("ip: 10.0.0.6", "ip: 10.0.0.600")
        .replace("  sops: {}", "  sops: {x: 1}")
        .replace("app_name: acme-lab", "app_name: lab");
    let lab = TestLab::empty();
    lab.write("platform/platform.yaml", &text);
    let ran = lab.hl("platform render").exits(65);
    assert_eq!(ran.stderr.matches("error:").count(), 4, "{}", ran.stderr);
    let json = lab.hl("platform validate --json").run();
    assert_eq!(json.code, 65);
    small(&lab, "#!/bin/sh\n", "");
    for name in ["small", "other"] {
        let wrong = DEFINITION
            .replace("phase = \"test\"", "fase = \"test\"")
            .replace("timeout = \"60s\"", "timeout = \"soon\"");
        lab.write(&format!("platform/adapters/{name}/adapter.toml"), &wrong);
    }
    lab.write("platform/adapters/other/templates/color.txt", "x");
    lab.write("platform/adapters/other/scripts/work.sh", "x");
    let ran = lab.hl("platform render").exits(65);
    // Three of each, and the name that is not that of the folder.
    assert_eq!(ran.stderr.matches("error:").count(), 7, "{}", ran.stderr);
}

/// A file whose placeholder nobody fills would never be what it is meant to be.
#[test]
fn a_placeholder_that_no_script_fills_is_a_fault() {
    let lab = lab(&["  small: {}\n"]);
    let with = |more: &str| {
        let more = format!("{more}[[placeholder]]\nname = \"since\"\ndoc = \"since when\"\n");
        small(&lab, "#!/bin/sh\n", &more);
        lab.write(
            "platform/adapters/small/templates/color.txt",
            "{{ placeholder('since') }}\n",
        );
        lab.hl("platform render")
    };
    for unfilled in ["", "fills = [\"since\"]\nwhen = \"false\"\n"] {
        with(unfilled).exits(65).says(&[
            "no script fills placeholder `since`, which `small/color.txt` waits for",
            "platform/adapters/small/adapter.toml:",
        ]);
    }
    with("fills = [\"since\"]\n").exits(0);
}
