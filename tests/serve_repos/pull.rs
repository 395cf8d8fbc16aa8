//! ansible-pull runs a playbook from the controller, also what is not committed.

use std::env;
use std::fs;
use std::process::{Command, Stdio};

use super::stage::{Stage, said};

#[test]
fn ansible_pull_runs_what_the_work_tree_says() {
    if Command::new("ansible-pull")
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_err()
    {
        assert!(
            env::var_os("HL_TESTS_NEED_ALL").is_none() && env::var_os("CI").is_none(),
            "ansible-pull is not installed: scripts/tools ansible"
        );
        eprintln!("skipped: ansible-pull not installed");
        return;
    }
    let stage = Stage::new();
    let play = |text: &str| {
        format!(
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.copy:\n        content: {text}\n        dest: \"{{{{ lookup('env', 'MADE') }}}}\"\n        mode: \"0600\"\n"
        )
    };
    stage.lab.write("local.yml", &play("committed"));
    stage.commit(stage.lab.root(), "first");
    stage.lab.write("local.yml", &play("uncommitted"));
    let served = stage.serve();
    let home = stage.beside.path();
    let made = home.join("made");
    let pull = || {
        let mut pull = Command::new("ansible-pull");
        // git's dumb protocol knows no shallow clones.
        pull.args([
            "--full",
            "-U",
            &served.url("test"),
            "-i",
            "localhost,",
            "-c",
            "local",
            "-d",
        ])
        .arg(home.join("pulled"))
        .args([
            "-e",
            "ansible_python_interpreter={{ ansible_playbook_python }}",
        ])
        .arg("local.yml")
        .env_clear()
        .env("PATH", env::var_os("PATH").unwrap())
        .env("HOME", home)
        .env("LANG", "C.UTF-8")
        .env("ANSIBLE_LOCALHOST_WARNING", "False")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("MADE", &made)
        .stdin(Stdio::null());
        said(&served.client(&mut pull).output().unwrap(), "ansible-pull");
        fs::read_to_string(&made).unwrap()
    };
    assert_eq!(pull(), "uncommitted");
    stage.lab.write("local.yml", &play("changed"));
    served.reload();
    assert_eq!(pull(), "changed");
}
