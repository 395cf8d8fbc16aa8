//! A small lab with all five layers: one template, one machine.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use hl::plan::{EventKind, Status};
use hl::runs::parse;
use tempfile::TempDir;

use crate::support::{Hl, TestLab};

const MACHINE: &str = "\
vms:
  - name: web-1
    image: debian-13
    vmid: 5101
    cores: 1
    memory: 1024
    disk: 10
    ip: 192.168.1.51/24
    gateway: 192.168.1.1
    tags: [web]
    groups: [web]
";

/// A playbook of three tasks, the second of which takes a while; the shipped
/// ones take their time, and are rehearsed whole elsewhere.
fn playbook(layer: &str) -> String {
    format!(
        "- hosts: all
  become: true
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {{ dest: /etc/hl-{layer}, content: \"{layer} begins\\n\" }}
      when: not done.stat.exists
    - ansible.builtin.command: sleep 2
      changed_when: false
    - ansible.builtin.copy: {{ dest: /etc/hl-{layer}.done, content: \"{layer} is done\\n\" }}
  pre_tasks:
    - ansible.builtin.shell: echo run >> /etc/hl-{layer}.runs
      changed_when: false
    - ansible.builtin.stat: {{ path: /etc/hl-{layer}.done }}
      register: done
"
    )
}

/// Three machines: one with a spec, a container, and one without anything.
const MANIFEST: &str = "\
schema_version: 2
name: three
nodes:
  - {name: web, type: vm, spec: base, preset: small, image: debian-13, vmid: 6101}
  - {name: box, type: ct, preset: small, image: debian-13, vmid: 6102}
  - {name: bare, type: vm, preset: small, image: debian-13, vmid: 6103}
";

pub(super) struct Stage {
    lab: TestLab,
    home: TempDir,
    /// What is run and killed.
    words: &'static str,
    /// Words of the `hl` inside that no other has.
    inner: [&'static str; 2],
    /// Run files of before.
    earlier: RefCell<Vec<PathBuf>>,
}

impl Stage {
    /// The shipped lab, cut down to one template, one machine and two small
    /// playbooks.
    pub(super) fn new() -> Self {
        let lab = TestLab::shipped();
        let templates = "layers/l1-templates/layer.toml";
        let both = lab.read(templates);
        let one: Vec<&str> = both
            .lines()
            .filter(|line| !line.contains("l1-ensure ubuntu-24.04"))
            .collect();
        assert_eq!(one.len() + 1, both.lines().count());
        lab.write(templates, &one.join("\n"));
        lab.write("site/envs/dev.yaml", MACHINE);
        lab.write("layers/l3-system/ansible/system.yml", &playbook("l3"));
        lab.write("layers/l4-workloads/ansible/workloads.yml", &playbook("l4"));
        Self {
            lab,
            home: TempDir::new().unwrap(),
            words: "rehearse",
            inner: ["up", "--fresh"],
            earlier: RefCell::default(),
        }
    }

    /// The shipped lab with a manifest of three machines, and the template that they
    /// are made from.
    pub(super) fn of_manifest() -> Self {
        let lab = TestLab::shipped();
        lab.write("site/manifests/three.yaml", MANIFEST);
        lab.write("layers/l3-system/ansible/system.yml", &playbook("l3"));
        let stage = Self {
            lab,
            home: TempDir::new().unwrap(),
            words: "rehearse create -M three -H pve --skip-preflight",
            inner: ["create", "three"],
            earlier: RefCell::default(),
        };
        stage.hl("rehearse l1-ensure debian-13").exits(0);
        stage.forget_runs();
        stage
    }

    /// The run files that are there are of before.
    pub(super) fn forget_runs(&self) {
        let files = fs::read_dir(self.out("state/runs")).unwrap();
        let files = files.map(|entry| entry.unwrap().path());
        *self.earlier.borrow_mut() = files.collect();
    }

    /// What is run and killed.
    pub(super) fn words(&self) -> &'static str {
        self.words
    }

    /// Words of the `hl` inside that no other has.
    pub(super) fn inner(&self) -> [&'static str; 2] {
        self.inner
    }

    pub(super) fn hl(&self, words: &str) -> Hl {
        self.lab
            .hl(words)
            .env("HOME", self.home.path().display().to_string())
    }

    pub(super) fn root(&self) -> &Path {
        self.lab.root()
    }

    /// In `state/rehearsal`, where all that a rehearsal writes is.
    pub(super) fn out(&self, below: &str) -> PathBuf {
        self.lab.path("state/rehearsal").join(below)
    }

    /// The file of the only run, once there is one.
    pub(super) fn run_path(&self) -> Option<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.out("state/runs"))
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
            .filter(|path| !self.earlier.borrow().contains(path))
            .collect();
        assert!(files.len() < 2, "a run of its own was made: {files:?}");
        files.pop()
    }

    /// The whole lines of the run file.
    pub(super) fn run_file(&self) -> Vec<u8> {
        let mut bytes = fs::read(self.run_path().unwrap()).unwrap();
        let whole = bytes.iter().rposition(|b| *b == b'\n').unwrap() + 1;
        bytes.truncate(whole);
        bytes
    }

    /// The journaled step transitions, such as `l2-apply/plan started`.
    pub(super) fn transitions(&self) -> Vec<String> {
        let run = parse(&self.run_file()).unwrap();
        let told = run.events.iter().filter_map(|event| {
            let word = if matches!(event.kind, EventKind::StepStarted { .. }) {
                "started"
            } else if let EventKind::StepFinished(end) = &event.kind {
                let well = end.status == Status::Succeeded;
                if well { "succeeded" } else { "finished" }
            } else {
                return None;
            };
            Some(format!("{} {word}", event.step.as_ref()?))
        });
        told.collect()
    }
}
