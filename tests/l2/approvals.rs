//! A person approves what happens: what was shown is what is applied, or it is
//! planned anew and asked again, and no plan outlives its answer.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::stage::{CANARY, Stage, TOKEN_ID, mode, sealed, tools};

const THIRD: &str = "
  - name: db-1
    image: debian-13
    vmid: 5103
    memory: 1024
    disk: 10
    ip: 192.168.1.53/24
    gateway: 192.168.1.1
";

pub(super) fn plans(stage: &Stage) -> Vec<PathBuf> {
    let mut files = stage.files();
    files.retain(|path| path.extension().is_some_and(|end| end == "tfplan"));
    files
}

/// Puts a third machine into the environment.
fn third(stage: &Stage) {
    let env = stage.lab.read("site/envs/dev.yaml");
    stage.lab.write("site/envs/dev.yaml", &(env + THIRD));
}

#[test]
fn after_a_refusal_a_resume_approves_what_was_shown_and_nothing_else() {
    if !sealed(
        "approvals::after_a_refusal_a_resume_approves_what_was_shown_and_nothing_else",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    let asked = stage.hl("l2-apply dev").exits(77);
    asked.says(&[
        "2 to add",
        " --yes`, which plans again and stops if it finds anything else",
        "`hl l2-apply dev --yes`, which plans again and asks nothing",
    ]);
    assert!(plans(&stage).is_empty());
    // What it finds now was never shown: it is, and nothing happens.
    third(&stage);
    let other = stage.hl("resume --yes").exits(77);
    other.says(&[
        "create VM 5103",
        "3 to add",
        "not what was shown before, and `--yes` is for that alone",
    ]);
    assert_eq!(stage.sim.write_count(), 0);
    assert!(plans(&stage).is_empty());
    // Now it was shown.
    stage.hl("resume --yes").exits(0).says(&["3 added"]);
    assert_eq!(stage.vms().len(), 3);
    stage.is_clean();
    // Drift on the node counts as much as an edit: the machine that was to be
    // destroyed is another one by now.
    stage.hl("l2-destroy dev").exits(77);
    stage.sim.change(|world| {
        let config = &mut world.vms.get_mut(&5101).unwrap().config;
        config.insert("memory".to_owned(), "4096".to_owned());
    });
    let drifted = stage.hl("resume --yes").exits(77);
    drifted.says(&["not what was shown before"]);
    assert_eq!(stage.vms().len(), 3);
    stage.hl("resume --yes").exits(0).says(&["3 destroyed"]);
    stage.is_clean();
}

/// On a terminal the plan waits for the answer, for its owner alone and without
/// a credential; with `n` it is gone.
#[test]
fn a_plan_is_private_while_it_is_asked_about_and_gone_after_a_no() {
    if !sealed(
        "approvals::a_plan_is_private_while_it_is_asked_about_and_gone_after_a_no",
        "tofu",
    ) {
        return;
    }
    let stage = Stage::new();
    let terminal = native_pty_system().openpty(PtySize::default()).unwrap();
    let hl = stage.hl("l2-apply dev").command();
    let mut command = CommandBuilder::new(hl.get_program());
    command.args(hl.get_args());
    command.cwd(stage.lab.root());
    command.env_clear();
    for (name, value) in hl.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.env("TERM", "xterm");
    let mut child = terminal.slave.spawn_command(command).unwrap();
    drop(terminal.slave);
    let mut reader = terminal.master.try_clone_reader().unwrap();
    let mut writer = terminal.master.take_writer().unwrap();
    let (mut said, mut buffer, mut answered) = (String::new(), [0; 4096], false);
    let began = Instant::now();
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        said.push_str(&String::from_utf8_lossy(&buffer[..count]));
        assert!(began.elapsed() < Duration::from_mins(5), "{said}");
        if !answered && said.contains("apply to `dev` on `pve`") {
            let plans = plans(&stage);
            assert_eq!(plans.len(), 1, "{said}");
            holds_no_credential(&stage, &plans[0]);
            writer.write_all(b"n\r").unwrap();
            answered = true;
        }
    }
    assert_eq!(child.wait().unwrap().exit_code(), 77, "{said}");
    assert!(answered, "{said}");
    assert!(plans(&stage).is_empty());
    assert_eq!(stage.sim.write_count(), 0);
    stage.is_clean();
}

fn holds_no_credential(stage: &Stage, plan: &PathBuf) {
    assert_eq!(mode(plan), 0o600);
    let shown = Command::new("tofu")
        .args(["show", "-json"])
        .arg(plan)
        .current_dir(stage.lab.path(".build/tofu/dev-pve/module"))
        .env_clear()
        .envs(tools())
        .env("TF_DATA_DIR", stage.lab.path(".states/dev-pve/data"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        text.contains("web-1"),
        "{text}{}",
        String::from_utf8_lossy(&shown.stderr)
    );
    assert!(!text.contains(CANARY) && !text.contains(TOKEN_ID), "{text}");
}
