//! Whole rehearsals: sealed, with the simulator inside, run by the real `hl`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use camino::Utf8Path;
use hl::diag::Exit;
use hl::lab::{Environment, Provenance, Var};
use hl::rehearse::{Rehearsal, network_of, prove_sealed};

use super::{apt_repo, is_root, run};
use crate::support::TestLab;

/// Set in the process that is the outer `hl` of a rehearsal: the lab's root.
const OUTER: &str = "HL_TEST_OUTER";
pub(super) const NODE: &str = "pve.rehearsal.test";
/// Where steps may write.
const OUT: &str = "state/rehearsal/seen";

pub(super) fn lab(recipes: &[(&str, &str)]) -> TestLab {
    let lab = TestLab::empty();
    let mut layer =
        "[layer]\nid = \"l2\"\nname = \"T\"\ndoc = \"t\"\ndefault = \"look\"\n".to_owned();
    for (name, script) in recipes {
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
    lab
}

/// What the command line would resolve.
fn environment(root: &Path) -> Environment {
    let vars: BTreeMap<String, Var> = [
        ("PVE_ACCESS_HOST", NODE),
        ("PM_TOKEN_SECRET", "the-real-secret"),
        ("PVE_NODE", "n1"),
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("LAB", root.to_str().unwrap()),
        ("HL_GUEST_APT", apt_repo().to_str().unwrap()),
    ]
    .into_iter()
    .map(|(name, value)| {
        let var = Var {
            value: value.to_owned(),
            from: Provenance::Process,
            secret: false,
        };
        (name.to_owned(), var)
    })
    .collect();
    Environment::new(vars)
}

fn rehearse(root: &Path, command: &[&str], fresh: bool) -> Exit {
    let root = Utf8Path::from_path(root).unwrap();
    let lab = hl::lab::Lab::read(root).unwrap();
    let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
    let exe = PathBuf::from(env!("CARGO_BIN_EXE_hl"));
    hl::rehearse::run(&Rehearsal {
        lab: &lab,
        env: &environment(root.as_std_path()),
        command: &command,
        fresh,
        faults: Vec::new(),
        controller: None,
        exe,
        quiet: false,
        width: None,
        asks: false,
        runtime_dir: None,
        relay: None,
    })
    .unwrap()
}

const ASK: &str = "curl -sS --cacert \"$PVE_CA_FILE\" -H \"Authorization: PVEAPIToken=$PM_TOKEN_ID=$PM_TOKEN_SECRET\" https://pve.rehearsal.test:8006/api2/json";

/// Processes whose environment names this lab.
pub(super) fn of_lab(root: &Path) -> Vec<(u32, String)> {
    let mark = format!("LAB={}", root.display());
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let env = fs::read(entry.path().join("environ")).ok()?;
            let marked = env.split(|b| *b == 0).any(|v| v == mark.as_bytes());
            let line = fs::read(entry.path().join("cmdline")).ok()?;
            marked.then(|| (pid, String::from_utf8_lossy(&line).replace('\0', " ")))
        })
        .collect()
}

/// What a step wrote.
#[track_caller]
fn seen(lab: &TestLab, file: &str) -> String {
    lab.read(&format!("{OUT}/{file}"))
}

pub(super) fn mounts() -> String {
    fs::read_to_string("/proc/self/mounts").unwrap()
}

/// Set in the copy that looks whether its own network is sealed: where it came from.
const PROVE: &str = "HL_TEST_PROVE";

#[test]
fn a_network_with_a_way_out_is_not_sealed() {
    if let Some(outer) = std::env::var_os(PROVE) {
        let said = prove_sealed(Path::new(&outer)).err().unwrap_or_default();
        fs::write(std::env::var_os(OUTER).unwrap(), said).unwrap();
        return;
    }
    let own = network_of("self").unwrap();
    assert!(
        prove_sealed(&own)
            .unwrap_err()
            .contains("the machine itself")
    );
    if !is_root() {
        return;
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let local = "ip link set lo up; ip route add local 0.0.0.0/0 dev lo";
    let link = "ip link add hlt0 type veth peer name hlt1";
    let way = "ip link set lo up; ip link add hlt0 type veth peer name hlt1; ip link set hlt0 up; ip address add 10.0.0.1/24 dev hlt0";
    for (setup, expected) in [(local, ""), (link, "a link"), (way, "a link")] {
        let status = Command::new("unshare")
            .args(["--net", "sh", "-ec", &format!("{setup}; exec \"$@\""), "sh"])
            .arg(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "rehearse::sealed::a_network_with_a_way_out_is_not_sealed",
            ])
            .env(PROVE, &own)
            .env(OUTER, file.path())
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{setup}");
        let said = fs::read_to_string(file.path()).unwrap();
        assert_eq!(said.is_empty(), expected.is_empty(), "{setup}: {said}");
        assert!(said.contains(expected), "{setup}: {said}");
    }
}

#[test]
fn a_recipe_runs_where_only_the_simulator_answers() {
    if !is_root() {
        return;
    }
    let look = format!(
        "set -eu; mkdir -p \"$LAB/{OUT}\"; cd \"$LAB/{OUT}\"\n\
         {ASK}/version >version.json\n\
         {ASK}/nodes >nodes.json\n\
         readlink /proc/self/ns/net >net\n\
         cat /proc/net/dev | grep -c : >links\n\
         printf '%s\\n' \"$PM_TOKEN_SECRET\" >secret\n\
         env >env\n\
         if curl -sS -m 5 http://198.51.100.7/ 2>public; then exit 9; fi\n\
         if curl -sS -m 5 http://example.org/ 2>name; then exit 9; fi\n\
         setsid sleep 300 >/dev/null 2>&1 &\n"
    );
    let lab = lab(&[("look", &look)]);
    lab.write("state/runs/old.yaml", "live\n")
        .write("templates/a/spec/x", "live");
    let live = || {
        run(
            "sh",
            [
                "-c",
                "cd \"$0\" && find . -path ./state/rehearsal -prune -o -type f -exec sha256sum {} +",
                lab.root().to_str().unwrap(),
            ],
        )
    };
    let (before, mounted, hosts) = (
        live(),
        mounts(),
        run("sha256sum", ["/etc/hosts", "/etc/resolv.conf"]),
    );
    assert_eq!(rehearse(lab.root(), &["look"], false), Exit::Ok);
    assert!(seen(&lab, "version.json").contains("\"version\""));
    assert!(seen(&lab, "nodes.json").contains("\"n1\""));
    assert_ne!(
        Path::new(seen(&lab, "net").trim()),
        network_of("self").unwrap()
    );
    let env = seen(&lab, "env");
    assert!(
        !env.contains("the-real-secret") && !env.contains("HTTPS_PROXY"),
        "{env}"
    );
    for file in ["public", "name"] {
        println!("{}", seen(&lab, file));
    }
    assert_eq!(of_lab(lab.root()), [], "nothing is left running");
    assert_eq!(
        (before, mounted, hosts),
        (
            live(),
            mounts(),
            run("sha256sum", ["/etc/hosts", "/etc/resolv.conf"])
        )
    );
    assert!(lab.path("state/rehearsal/world/world.json").exists());

    // Again, as a new process would: the same world; then an empty one.
    let secret = seen(&lab, "secret");
    assert_eq!(rehearse(lab.root(), &["look"], false), Exit::Ok);
    assert_eq!(secret, seen(&lab, "secret"));
    assert_eq!(rehearse(lab.root(), &["look"], true), Exit::Ok);
    assert_ne!(secret, seen(&lab, "secret"));
    assert_eq!(rehearse(lab.root(), &["nonsense"], false), Exit::Child(66));
}

/// Starts a rehearsal whose outer process is a copy of this test.
fn outer(test: &str, lab: &TestLab) -> Child {
    outer_command(test, lab).spawn().unwrap()
}

fn outer_command(test: &str, lab: &TestLab) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            &format!("rehearse::sealed::{test}"),
            "--nocapture",
        ])
        .env(OUTER, lab.root())
        .stdin(Stdio::null());
    command
}

/// In the copy: the rehearsal, whose exit code goes to a file.
fn be_outer() -> bool {
    let Some(root) = std::env::var_os(OUTER) else {
        return false;
    };
    let exit = rehearse(Path::new(&root), &["look"], false);
    fs::write(Path::new(&root).join("code"), exit.code().to_string()).unwrap();
    true
}

#[track_caller]
fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_mins(1);
    while !there() {
        assert!(Instant::now() < until, "{what} did not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn one_interrupt_reaches_the_tool_once() {
    if be_outer() || !is_root() {
        return;
    }
    let look = format!(
        "mkdir \"$LAB/{OUT}\"; cd \"$LAB/{OUT}\"; trap 'echo int >>ints; kill $!; sleep 0.5; exit 130' INT\n: >up; sleep 300 & wait\n"
    );
    let lab = lab(&[("look", &look)]);
    let mut child = outer("one_interrupt_reaches_the_tool_once", &lab);
    wait_for("the step", || lab.path(OUT).join("up").exists());
    run("kill", ["-INT", &child.id().to_string()]);
    child.wait().unwrap();
    assert_eq!(seen(&lab, "ints"), "int\n");
    assert_eq!(lab.read("code"), "130");
    assert_eq!(of_lab(lab.root()), []);
}

/// The inner `hl` of a lab.
fn inner(root: &Path) -> u32 {
    let found = of_lab(root).into_iter().find(|(pid, line)| {
        line.trim_end().ends_with("hl look")
            && fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c.trim() == "hl")
    });
    found.unwrap().0
}

#[test]
fn tools_of_a_killed_hl_keep_their_simulator() {
    if be_outer() || !is_root() {
        return;
    }
    let look = format!(
        "mkdir \"$LAB/{OUT}\"; cd \"$LAB/{OUT}\"; : >up; sleep 3; {ASK}/version >after.json"
    );
    let lab = lab(&[("look", &look)]);
    let mut child = outer("tools_of_a_killed_hl_keep_their_simulator", &lab);
    wait_for("the step", || lab.path(OUT).join("up").exists());
    run("kill", ["-KILL", &inner(lab.root()).to_string()]);
    child.wait().unwrap();
    assert!(seen(&lab, "after.json").contains("\"version\""));
    assert_eq!(lab.read("code"), "137");
    assert_eq!(of_lab(lab.root()), []);
}

#[test]
fn a_killed_holder_leaves_nothing_that_runs() {
    if be_outer() || !is_root() {
        return;
    }
    let look = format!(
        "mkdir \"$LAB/{OUT}\"; : >\"$LAB/{OUT}/up\"; trap '' TERM INT; while :; do sleep 1; done\n"
    );
    let lab = lab(&[("look", &look)]);
    let mut child = outer("a_killed_holder_leaves_nothing_that_runs", &lab);
    wait_for("the step", || lab.path(OUT).join("up").exists());
    let holder = run("pgrep", ["-P", &child.id().to_string()]);
    run("kill", ["-KILL", holder.trim()]);
    child.wait().unwrap();
    assert_eq!(lab.read("code"), "137");
    assert_eq!(of_lab(lab.root()), []);
    lab.write("look.sh", "true");
    assert_eq!(rehearse(lab.root(), &["look"], false), Exit::Ok);
}

/// The holder of the first rehearsal is stopped, so that it has the lock for as
/// long as the second one needs to meet it.
#[test]
fn without_its_outer_process_a_rehearsal_ends_and_the_next_one_waits() {
    if be_outer() || !is_root() {
        return;
    }
    let test = "without_its_outer_process_a_rehearsal_ends_and_the_next_one_waits";
    // The tool ends when it is interrupted and the holder is stopped, not before.
    let look = format!(
        "mkdir \"$LAB/{OUT}\"; cd \"$LAB\"; trap 'while [ ! -e stopped ]; do sleep 0.05; done; exit 130' INT TERM\n\
         : >{OUT}/up; while :; do sleep 0.05; done\n"
    );
    let lab = lab(&[("look", &look)]);
    let mut first = outer(test, &lab);
    wait_for("the step", || lab.path(OUT).join("up").exists());
    let holder = run("pgrep", ["-P", &first.id().to_string()]);
    first.kill().unwrap();
    first.wait().unwrap();
    run("kill", ["-STOP", holder.trim()]);
    lab.write("stopped", "").write("look.sh", "true");

    let said = lab.path("said");
    let mut second = outer_command(test, &lab)
        .stderr(fs::File::create(&said).unwrap())
        .spawn()
        .unwrap();
    let waits = format!("to end (process {})", holder.trim());
    wait_for("the second rehearsal", || {
        let said = fs::read_to_string(&said).unwrap();
        assert!(second.try_wait().unwrap().is_none(), "{said}");
        said.contains(&waits)
    });
    run("kill", ["-CONT", holder.trim()]);
    second.wait().unwrap();
    assert_eq!(lab.read("code"), "0", "{}", lab.read("said"));
    assert_eq!(of_lab(lab.root()), []);
}

pub(super) const MACHINES: &str = r#"set -eu; mkdir -p "$LAB/state/rehearsal/vm"; cd "$LAB/state/rehearsal/vm"
api() { method=$1 path=$2; shift 2; curl -fsS -X "$method" --cacert "$PVE_CA_FILE" -H "Authorization: PVEAPIToken=$PM_TOKEN_ID=$PM_TOKEN_SECRET" "$@" "https://pve.rehearsal.test:8006/api2/json/nodes/n1/$path"; echo; }
task() { # runs an API call and waits for its task
  upid=$(api "$@" | sed 's/.*"data":"\(UPID[^"]*\)".*/\1/')
  for i in $(seq 600); do
    case $(api GET "tasks/$upid/status") in *'"exitstatus":"OK"'*) return 0 ;; *'"exitstatus"'*) api GET "tasks/$upid/log" >&2; exit 1 ;; esac
    sleep 0.1
  done
  exit 1
}
guest() { at=$1; shift; ssh -F none -o BatchMode=yes -o ConnectTimeout=5 -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile=known -i key "ops@$at" "$@"; }
"#;

/// A task's exit status and a script's end say whether all of it worked.
#[test]
fn virtual_machines_are_guests_and_come_back_with_their_world() {
    if !is_root() {
        return;
    }
    let first = r#"
[ -e key ] || ssh-keygen -q -t ed25519 -N "" -f key
keys=$(sed 's/ /%20/g; s/+/%2B/g; s,/,%2F,g; s/=/%3D/g' key.pub | tr -d '\n')
task POST storage/local/download-url -d url=https://cloud.example/debian.qcow2 -d content=import -d filename=debian.qcow2
task POST qemu -d vmid=100 -d name=base -d cores=1 -d memory=512 -d net0=virtio,bridge=vmbr0 -d agent=1 -d scsihw=virtio-scsi-pci \
  -d scsi0=local-lvm:0,import-from=local:import/debian.qcow2 -d ide2=local-lvm:cloudinit -d boot=order=scsi0 -d ciuser=ops \
  --data-urlencode "sshkeys=$keys" -d ipconfig0=ip=192.168.9.50/24,gw=192.168.9.1
task POST qemu/100/status/start
guest 192.168.9.50 'hostname; echo baked | sudo tee /srv/baked; sudo apt-get -qq update; sudo DEBIAN_FRONTEND=noninteractive apt-get -qq -y install qemu-guest-agent >/dev/null; sudo rm -f /etc/ssh/ssh_host_*'
api GET qemu/100/agent/network-get-interfaces >agent.json
task POST qemu/100/status/shutdown -d forceStop=1
task POST qemu/100/template
task POST qemu/100/clone -d newid=101 -d name=web-1 -d full=1 -d storage=local-lvm
task POST qemu/101/config -d ipconfig0=ip=192.168.9.51/24,gw=192.168.9.1
task POST qemu/101/status/start
guest 192.168.9.51 'hostname; cat /srv/baked; echo kept | sudo tee /var/lib/kept' >clone.txt
"#;
    let second = "\nguest 192.168.9.51 'hostname; cat /var/lib/kept; systemctl is-active qemu-guest-agent' >again.txt\n\
                  task POST qemu/101/status/stop\ntask DELETE qemu/101\n";
    let lab = lab(&[
        ("look", &format!("{MACHINES}{first}")),
        ("again", &format!("{MACHINES}{second}")),
    ]);
    let (mounted, spaces) = (mounts(), run("ip", ["-o", "link"]));
    assert_eq!(
        rehearse(lab.root(), &["look"], false),
        Exit::Ok,
        "{}",
        step_log(&lab)
    );
    assert!(
        lab.read("state/rehearsal/vm/agent.json")
            .contains("192.168.9.50")
    );
    assert_eq!(
        lab.read("state/rehearsal/vm/clone.txt"),
        "web-1\nbaked\nkept\n"
    );
    assert_eq!(of_lab(lab.root()), []);
    assert_eq!(
        rehearse(lab.root(), &["again"], false),
        Exit::Ok,
        "{}",
        step_log(&lab)
    );
    assert_eq!(
        lab.read("state/rehearsal/vm/again.txt"),
        "web-1\nkept\nactive\n"
    );
    let disks: Vec<_> = fs::read_dir(lab.path("state/rehearsal/world/disks"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!disks.iter().any(|d| d.contains("101")), "{disks:?}");
    assert_eq!((mounted, spaces), (mounts(), run("ip", ["-o", "link"])));
}

/// What the steps of all runs wrote.
pub(super) fn step_log(lab: &TestLab) -> String {
    run(
        "sh",
        [
            "-c",
            "cat \"$0\"/state/rehearsal/state/logs/*/*.log",
            lab.root().to_str().unwrap(),
        ],
    )
}

/// As a home is where each user's is mounted.
#[test]
fn a_lab_on_a_file_system_of_its_own_in_a_hidden_directory_is_rehearsed() {
    if !is_root() {
        return;
    }
    let lab = TestLab::empty();
    lab.write(
        "layers/l2-t/layer.toml",
        "[layer]\nid = \"l2\"\nname = \"T\"\ndoc = \"t\"\n[[recipe]]\nname = \"look\"\ndoc = \"d\"\n\
         [[recipe.step]]\nid = \"s\"\nuse = \"command\"\nwith = { argv = [\"sh\", \"-c\", \"! touch here\"] }\n",
    )
    .write(".env", "PVE_ACCESS_HOST=pve.rehearsal.test\nPVE_NODE=n1\n");
    let mount = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs hl-test \"$1\" && cp -a \"$2\" \"$1/lab\" && cd \"$1/lab\" \
                  && shift 2 && HOME=$PWD exec \"$@\"";
    let hl = lab.hl("rehearse look").command();
    let envs = hl
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let output = Command::new("unshare")
        .args(["--mount", "--", "sh", "-ec", script, "sh"])
        .args([mount.path(), lab.root()])
        .arg(hl.get_program())
        .args(hl.get_args())
        .env_clear()
        .envs(envs)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("Rehearsed `look`"), "{said}");
}
