//! Labs with a platform.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::TestLab;

/// What each shipped adapter is told in the tests.
pub(super) const PROXMOX: &str = "  proxmox:
    machines:
      - {name: cp01, ip: 10.0.0.5, vmid: 105, role: controlplane}
      - {name: w01, ip: 10.0.0.6, vmid: 106, role: worker}
";
pub(super) const HETZNER: &str = "  hetzner:
    machines:
      - {name: cp01, ip: 10.0.0.5, id: 2870814, role: controlplane}
    rescue_mode_confirm: true
";
pub(super) const K3S: &str = "  k3s: {version: v1.36.4+k3s1}\n";
pub(super) const TALOS: &str = "  talos: {install_disk: /dev/vda}\n";
pub(super) const CILIUM: &str = "  cilium: {pools: [10.0.0.64/28], interfaces: ['^eth0']}\n";
pub(super) const ARGOCD: &str = "  argocd: {repo_url: 'https://github.com/acme/cluster.git'}\n";
pub(super) const SOPS: &str = "  sops: {}\n";

/// The two sets of shipped adapters.
pub(super) const ON_PROXMOX: [&str; 5] = [PROXMOX, K3S, CILIUM, ARGOCD, SOPS];
pub(super) const ON_HETZNER: [&str; 5] = [HETZNER, TALOS, CILIUM, ARGOCD, SOPS];

/// `platform.yaml` with these adapters, in this order.
pub(super) fn platform(adapters: &[&str]) -> String {
    format!(
        "version: \"1.0\"\nplatform: {{organization: acme, app_name: acme-lab}}\nadapters:\n{}",
        adapters.concat()
    )
}

/// A lab that could run something: it has a layer.
pub(super) fn empty() -> TestLab {
    let lab = TestLab::empty();
    let layer = "[layer]\nid = \"l0\"\nname = \"Nothing\"\ndoc = \"A layer without recipes\"\n";
    lab.write("layers/l0-nothing/layer.toml", layer);
    lab
}

/// A lab with a platform of these adapters.
pub(super) fn lab(adapters: &[&str]) -> TestLab {
    let lab = empty();
    lab.write("platform/platform.yaml", &platform(adapters));
    lab
}

/// Files below a directory of a lab, each with its mode.
pub(super) fn tree(lab: &TestLab, dir: &str) -> BTreeMap<String, (u32, Vec<u8>)> {
    let root = lab.path(dir);
    let mut all = BTreeMap::new();
    let mut dirs = vec![root.clone()];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(&dir) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
                let name = path.strip_prefix(&root).unwrap().display().to_string();
                all.insert(name, (mode, fs::read(&path).unwrap()));
            }
        }
    }
    all
}

/// A small adapter of the lab's own: one file, and a script that may be anything.
pub(super) fn small(lab: &TestLab, script: &str, more: &str) {
    let definition = format!(
        "[adapter]\nname = \"small\"\nversion = \"1.0.0\"\nphase = \"test\"\n\
         [[input]]\nname = \"color\"\ntype = \"text\"\ndefault = \"red\"\n\
         [[file]]\ntemplate = \"templates/color.txt\"\npath = \"color.txt\"\n\
         [[script]]\nname = \"work\"\nstage = \"bootstrap\"\nfile = \"scripts/work.sh\"\ndoc = \"does its work\"\n{more}"
    );
    let dir = "platform/adapters/small";
    lab.write(&format!("{dir}/adapter.toml"), &definition);
    lab.write(
        &format!("{dir}/templates/color.txt"),
        "{{ inputs.color }}\n",
    );
    lab.write(&format!("{dir}/scripts/work.sh"), script);
}

/// The names of all files below a directory that hold a text.
pub(super) fn holders(root: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                dirs.push(path);
            } else if path.is_file()
                && String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(text)
            {
                found.push(path.strip_prefix(root).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}
