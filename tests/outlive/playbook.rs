//! A real playbook that ended while nobody watched: its statistics are read, and
//! it is not run a second time.

use std::fs;

use super::kept::ran;
use super::processes::{kill_hl, wait_for};
use crate::e2e::ready;
use crate::support::TestLab;

const LAYER: &str = r#"
[layer]
id = "l3"
name = "Test"
doc = "one playbook"
default = "job"

[[recipe]]
name = "job"
doc = "one playbook"

[[recipe.step]]
id = "converge"
use = "ansible.playbook"
with = { playbook = "play/site.yml", inventory = "hosts" }

[[recipe.step]]
id = "tell"
use = "command"
with = { argv = ["sh", "-c", "echo changed={{ steps.converge.changed }} >> ran"] }
"#;

const PLAYBOOK: &str = r"
- hosts: all
  gather_facts: false
  tasks:
    - name: work
      ansible.builtin.shell: echo B >> {{ playbook_dir }}/../ran; sleep 2; echo E >> {{ playbook_dir }}/../ran
";

#[test]
fn its_result_is_taken() {
    if !ready(false, &["ansible-playbook"]) {
        return;
    }
    let lab = TestLab::empty();
    lab.write("layers/l3-test/layer.toml", LAYER);
    lab.write("play/site.yml", PLAYBOOK);
    lab.write(
        "hosts",
        "here ansible_connection=local ansible_python_interpreter=/usr/bin/python3\n",
    );
    let running = lab.hl("job").spawn();
    wait_for("the playbook works", || {
        (!ran(&lab).is_empty()).then_some(())
    });
    kill_hl(running);
    let resumed = lab.hl("resume").exits(0);
    resumed.says(&["done while nobody watched, exit 0 at ", "1 host, changed=1"]);
    assert_eq!(ran(&lab), "B E changed=1");
    // Nor is anything left of what it was given.
    let logs = lab.path("state/logs").read_dir().unwrap().flatten();
    let left = logs.flat_map(|run| fs::read_dir(run.path()).unwrap().flatten());
    let left: Vec<_> = left.filter(|file| file.path().is_dir()).collect();
    assert!(left.is_empty(), "{left:?}");
}
