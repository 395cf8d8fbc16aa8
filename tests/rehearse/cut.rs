//! Power cuts: all processes of a rehearsal die at once in the middle of a task
//! of the simulated node, and the next rehearsal finds a whole world.

use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::is_root;
use crate::support::TestLab;

/// Makes a template, and then clones and removes a machine for ever.
const CHURN: &str = r#"set -eu
api() { method=$1 path=$2; shift 2; curl -fsS -X "$method" --cacert "$PVE_CA_FILE" -H "Authorization: PVEAPIToken=$PM_TOKEN_ID=$PM_TOKEN_SECRET" "$@" "https://pve.rehearsal.test:8006/api2/json/nodes/n1/$path"; echo; }
task() {
  upid=$(api "$@" | sed 's/.*"data":"\(UPID[^"]*\)".*/\1/')
  while :; do
    case $(api GET "tasks/$upid/status") in *'"exitstatus":"OK"'*) return 0 ;; *'"exitstatus"'*) exit 1 ;; esac
    sleep 0.05
  done
}
task POST storage/local/download-url -d content=import -d filename=d.qcow2 --data-urlencode url=https://cloud.test/d.qcow2 || :
while :; do
  task POST qemu -d vmid=9000 -d name=base --data-urlencode scsi0=local-lvm:0,import-from=local:import/d.qcow2
  task POST qemu/9000/template
  task POST qemu/9000/clone -d newid=5101 -d name=web-1 -d full=1
  task DELETE qemu/5101
  task DELETE qemu/9000
done
"#;

/// What is on the node.
const LOOK: &str = r#"curl -fsS --cacert "$PVE_CA_FILE" -H "Authorization: PVEAPIToken=$PM_TOKEN_ID=$PM_TOKEN_SECRET" "https://pve.rehearsal.test:8006/api2/json/nodes/n1/qemu" >"$SEEN""#;

fn lab() -> TestLab {
    let lab = TestLab::empty();
    let mut layer =
        "[layer]\nid = \"l2\"\nname = \"T\"\ndoc = \"t\"\ndefault = \"look\"\n".to_owned();
    for (name, script) in [("churn", CHURN), ("look", LOOK)] {
        lab.write(&format!("{name}.sh"), script);
        let file = lab.path(&format!("{name}.sh"));
        write!(
            layer,
            "[[recipe]]\nname = \"{name}\"\ndoc = \"d\"\n[[recipe.step]]\nid = \"s\"\nuse = \"command\"\n\
             with = {{ argv = [\"sh\", \"{}\"] }}\n",
            file.display()
        )
        .unwrap();
    }
    lab.write("layers/l2-t/layer.toml", &layer);
    let seen = lab.path("state/rehearsal/seen.json");
    lab.write(
        ".env",
        &format!(
            "PVE_ACCESS_HOST=pve.rehearsal.test\nPVE_NODE=n1\nSEEN={}\n",
            seen.display()
        ),
    );
    lab
}

/// A rehearsal whose processes all end when `unshare` does.
fn start(lab: &TestLab) -> Child {
    let hl = lab.hl("rehearse churn").command();
    let mut command = Command::new("unshare");
    command
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "--"])
        .arg(hl.get_program())
        .args(hl.get_args())
        .current_dir(lab.root())
        .env_clear();
    for (name, value) in hl.get_envs() {
        command.env(name, value.unwrap());
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Whether a task of this kind runs, as the saved world says.
fn runs(lab: &TestLab, kind: &str) -> bool {
    let file = lab.path("state/rehearsal/world/world.json");
    let world: Value = match std::fs::read(file).map(|text| serde_json::from_slice(&text)) {
        Ok(Ok(world)) => world,
        _ => return false,
    };
    let tasks = world["tasks"].as_array().unwrap();
    tasks
        .last()
        .is_some_and(|task| task["exit"].is_null() && task["kind"] == kind)
}

#[test]
fn after_a_power_cut_in_any_task_the_next_rehearsal_finds_a_whole_world() {
    if !is_root() {
        return;
    }
    for (kind, healed) in [
        ("qmcreate", "VM 9000 was only half made, and is removed"),
        ("qmclone", "VM 5101 was only half made, and is removed"),
        ("qmdestroy", "is finished"),
    ] {
        let lab = lab();
        let mut rehearsal = start(&lab);
        let until = Instant::now() + Duration::from_mins(2);
        while !runs(&lab, kind) {
            let over = rehearsal.try_wait().unwrap();
            assert!(over.is_none(), "{kind}: the rehearsal ended: {over:?}");
            assert!(Instant::now() < until, "no `{kind}` was seen");
        }
        rehearsal.kill().unwrap();
        rehearsal.wait().unwrap();

        let ran = lab.hl("rehearse look").exits(0);
        // Whether the cut came before the task was over, the saved world knows.
        if ran.stderr.contains("Healed") {
            ran.says(&[healed]);
        }
        let seen: Value = serde_json::from_str(&lab.read("state/rehearsal/seen.json")).unwrap();
        for vm in seen["data"].as_array().unwrap() {
            assert!(vm["lock"].is_null(), "{kind}: {vm}");
            let name = vm["name"].as_str().unwrap_or_default();
            assert!(["base", "web-1"].contains(&name), "{kind}: {vm}");
        }
        let again = lab.hl("rehearse look").exits(0);
        assert!(!again.stderr.contains("Healed"), "{}", again.stderr);
    }
}
