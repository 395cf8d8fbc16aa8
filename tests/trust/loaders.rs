//! Variables that load code come from the lab's files only by name; open files
//! of secrets are warned about.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::support::TestLab;

const LAYER: &str = r#"[layer]
id = "l2"
name = "Things"
doc = "Made of commands"

[[recipe]]
name = "go"
doc = "Go"

[[recipe.step]]
id = "go"
use = "command"
with = { argv = ["sh", "-c", "echo \"[$PYTHONPATH][$GIT_SSH_COMMAND][$LD_PRELOAD]\" > out"] }
"#;

#[test]
fn a_file_of_values_loads_no_code() {
    let lab = TestLab::empty();
    lab.write("layers/l2-things/layer.toml", LAYER);
    lab.write("hl.toml", "[env]\nPYTHONPATH = \"lib\"\n");
    lab.write(".env", "LD_PRELOAD=/nowhere/evil.so\n");
    lab.write("state/secrets.env", "GIT_SSH_COMMAND=evil-command\n");
    let ran = lab.hl("go").exits(0);
    ran.says(&[
        "`LD_PRELOAD` of `.env` is left out",
        "`GIT_SSH_COMMAND` of `state/secrets.env` is left out",
        "`PYTHONPATH` of [env] in hl.toml is left out",
        "allow_variables = [\"LD_PRELOAD\"]",
    ]);
    assert!(!ran.stderr.contains("evil-command"), "{}", ran.stderr);
    assert_eq!(lab.read("out"), "[][][]\n");
    let listed = lab.hl("env").exits(0).stdout;
    assert!(!listed.contains("LD_PRELOAD"), "{listed}");
    // The user's own environment is the user's own.
    lab.hl("go").env("PYTHONPATH", "mine").exits(0);
    assert_eq!(lab.read("out"), "[mine][][]\n");
    lab.write(
        "hl.toml",
        "[lab]\nallow_variables = [\"PYTHONPATH\", \"GIT_SSH_COMMAND\"]\n[env]\nPYTHONPATH = \"lib\"\n",
    );
    lab.hl("go").exits(0);
    assert_eq!(lab.read("out"), "[lib][evil-command][]\n");
    lab.write("hl.toml", "[lab]\nallow_variables = [\"LD_*\"]\n");
    lab.hl("go").exits(65).says(&["hl.toml:2:20", "whole name"]);
}

#[test]
fn an_open_env_file_with_a_secret_is_warned_about() {
    let lab = TestLab::shipped();
    let said = "`.env` can be read by other users (mode 0644, expected 0600)";
    let env = lab.path(".env");
    let warned = |lab: &TestLab| lab.hl("env").exits(0).stderr.contains(said);
    let mode = |mode| fs::set_permissions(&env, Permissions::from_mode(mode)).unwrap();
    lab.write(".env", "PVE_NODE=pve\n");
    mode(0o644);
    assert!(!warned(&lab), "there is no secret in it");
    // As the README says it is made.
    lab.write(".env", &lab.read("env.example"));
    assert!(warned(&lab));
    mode(0o600);
    assert!(!warned(&lab));
}
