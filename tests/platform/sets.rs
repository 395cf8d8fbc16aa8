//! The shipped adapters together: two sets that render, in any order.

use std::path::Path;

use rstest::rstest;
use serde_json::Value;

use super::stage::{
    ARGOCD, CILIUM, HETZNER, K3S, ON_HETZNER, ON_PROXMOX, PROXMOX, SOPS, TALOS, lab, platform, tree,
};

#[rstest]
#[case::proxmox(&ON_PROXMOX)]
#[case::hetzner(&ON_HETZNER)]
fn a_set_renders_to_files_that_are_yaml(#[case] set: &[&str]) {
    let lab = lab(set);
    lab.hl("platform render").exits(0);
    let files = tree(&lab, "platform/generated");
    assert!(files.len() > 5, "{:?}", files.keys());
    for (path, (mode, data)) in &files {
        let text = std::str::from_utf8(data).unwrap();
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{path}");
        assert_eq!(*mode, 0o644, "{path}");
        let is_yaml = Path::new(path).extension().is_some_and(|end| end == "yaml");
        for document in text.split("\n---\n").filter(|_| is_yaml) {
            let read: Result<Value, _> = serde_saphyr::from_str(document);
            let value = read.unwrap_or_else(|error| panic!("{path}: {error}\n{document}"));
            assert!(value.is_object(), "{path}");
        }
    }
    lab.hl("platform validate").exits(0);
    lab.hl("platform eject").exits(0);
}

/// The values that a chart is given are YAML as well, and say what the cluster needs.
#[test]
fn charts_are_pinned_and_told_what_they_need() {
    let of = |set: &[&str], file: &str| {
        let lab = lab(set);
        lab.hl("platform render").exits(0);
        lab.read(&format!("platform/generated/{file}"))
    };
    let chart: Value = serde_saphyr::from_str(&of(&ON_PROXMOX, "cilium/install.yaml")).unwrap();
    assert_eq!(chart["kind"], "HelmChart");
    assert_eq!(chart["spec"]["bootstrap"], true);
    assert_eq!(chart["spec"]["failurePolicy"], "abort");
    let values = chart["spec"]["valuesContent"].as_str().unwrap();
    let values: Value = serde_saphyr::from_str(values).unwrap();
    assert_eq!(values["kubeProxyReplacement"], true);
    assert_eq!(values["k8sServicePort"], 6444);
    assert_eq!(
        values["ipam"]["operator"]["clusterPoolIPv4PodCIDRList"][0],
        "10.42.0.0/16"
    );
    let server = of(&ON_PROXMOX, "k3s/nodes/cp01.yaml");
    for line in [
        "flannel-backend: none",
        "disable-kube-proxy: true",
        "write-kubeconfig-mode: \"0600\"",
    ] {
        assert!(server.contains(line), "{server}");
    }
    assert!(!server.contains("cluster-init") && !server.contains("server: "));
    let agent = of(&ON_PROXMOX, "k3s/nodes/w01.yaml");
    assert!(agent.contains("server: https://10.0.0.5:6443"), "{agent}");
    // What installs the network is in what the servers deploy by themselves.
    let deployed = of(&ON_PROXMOX, "k3s/manifests/cni.yaml");
    assert_eq!(deployed, of(&ON_PROXMOX, "cilium/install.yaml"));
    let control: Value =
        serde_saphyr::from_str(&of(&ON_HETZNER, "talos/patches/controlplane.yaml")).unwrap();
    let inline = control["cluster"]["inlineManifests"][0]["contents"]
        .as_str()
        .unwrap();
    assert_eq!(inline, of(&ON_HETZNER, "cilium/install.yaml"));
    assert!(inline.contains("sha256sum -c"));
}

/// Two adapters for one place are one finding, and there are two such places.
#[test]
fn all_seven_at_once_are_two_findings() {
    let lab = lab(&[PROXMOX, HETZNER, K3S, TALOS, CILIUM, ARGOCD, SOPS]);
    let ran = lab.hl("platform render").exits(65);
    assert_eq!(ran.stderr.matches("error:").count(), 2, "{}", ran.stderr);
    ran.says(&[
        "`proxmox` and `hetzner` provide capability `cloud-infrastructure`, expected one adapter",
        "keep one adapter of group `cloud`",
        "`k3s` and `talos` provide capability `kubernetes-api`, expected one adapter",
        "keep one adapter of group `os`",
        "platform/platform.yaml:",
    ]);
    assert!(!lab.path("platform/generated").exists());
}

/// What makes files of a platform has no way to a file, a clock, a program or the network.
#[test]
fn what_renders_reads_nothing() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/platform");
    for file in [
        "artifact", "contract", "engine", "inputs", "render", "resolve", "scripts", "values",
    ] {
        let text = std::fs::read_to_string(dir.join(format!("{file}.rs"))).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for way in [
            "fs::",
            "std::env",
            "std::io",
            "std::net",
            "std::process",
            "std::time",
            "rand::",
            "set_loader",
        ] {
            assert!(!code.contains(way), "{file}.rs: {way}");
        }
    }
}

/// Every order of these.
fn orders(set: &[&'static str]) -> Vec<Vec<&'static str>> {
    if set.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (index, first) in set.iter().enumerate() {
        let mut rest = set.to_vec();
        rest.remove(index);
        for mut order in orders(&rest) {
            order.insert(0, *first);
            all.push(order);
        }
    }
    all
}

/// The order of adapters decides between those that do not need each other, in the
/// pipeline; the tree and what it was rendered from are the same.
#[rstest]
#[case::proxmox(&ON_PROXMOX)]
#[case::hetzner(&ON_HETZNER)]
fn any_order_gives_one_tree(#[case] set: &[&'static str]) {
    let (_dir, adapters) = adapters();
    let of = |set: &[&str]| rendered(&adapters, &platform(set));
    let other = of(set);
    let all = orders(set);
    assert_eq!(all.len(), 120);
    for order in all {
        let one = of(&order);
        assert_eq!(one.files, other.files, "{order:?}");
        assert_eq!(one.lock.artifacts_hash, other.lock.artifacts_hash);
        assert_eq!(one.lock.platform_hash, other.lock.platform_hash);
        assert_eq!(one.lock.adapters, other.lock.adapters);
        // Each adapter comes after those whose capabilities it requires.
        let place = |name: &str| {
            let mut stages = one.pipeline.stages.iter();
            stages.position(|entry| entry.name == name)
        };
        for (first, then) in [
            ("k3s.kubeconfig", "cilium.ready"),
            ("talos.kubeconfig", "cilium.ready"),
            ("cilium.ready", "argocd.install"),
        ] {
            if let (Some(first), Some(then)) = (place(first), place(then)) {
                assert!(first < then, "{order:?}");
            }
        }
    }
    // Twice is the same, byte by byte.
    assert_eq!(of(set), other);
}

fn adapters() -> (tempfile::TempDir, hl::platform::Adapters) {
    let dir = tempfile::tempdir().unwrap();
    let root = camino::Utf8Path::from_path(dir.path()).unwrap();
    let adapters = hl::platform::Adapters::load(&hl::lab::Paths::live(root)).unwrap();
    (dir, adapters)
}

fn rendered(adapters: &hl::platform::Adapters, text: &str) -> hl::platform::Rendered {
    let source = hl::diag::Source::new("platform.yaml", text);
    let platform = hl::platform::of_source(source, adapters).unwrap();
    hl::platform::render(&platform, "production").unwrap()
}
