//! Root of a guest, and root in a local step, against the machine under them.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

use super::sealed::{MACHINES, NODE, lab, mounts};
use super::{apt_repo, is_root, run};
use crate::support::TestLab;

const SCRIPT: &str = include_str!("hostile.sh");

/// Something of the machine that only its end could change.
struct Bystander(Child);

impl Bystander {
    fn new() -> Self {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        Self(child)
    }

    fn is_there(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Owner and mode of what guests have names for.
fn devices() -> Vec<String> {
    let names = ["null", "zero", "full", "random", "urandom", "tty", "pts"];
    let paths = names.map(|name| PathBuf::from("/dev").join(name));
    let told = paths.iter().map(|path| {
        let meta = fs::metadata(path).unwrap();
        let (mode, uid, gid) = (meta.mode(), meta.uid(), meta.gid());
        format!("{} {mode:o} {uid}:{gid} {}", path.display(), meta.rdev())
    });
    told.collect()
}

fn cgroups() -> String {
    let found = Command::new("find")
        .args(["/sys/fs/cgroup", "-name", "hl-hostile"])
        .output()
        .unwrap();
    String::from_utf8_lossy(&found.stdout).into_owned()
}

/// What a guest is told to do: as a unit, which has no session but that of PID 1,
/// and by ssh.
fn in_a_guest(targets: &str) -> String {
    format!(
        r#"{MACHINES}
[ -e key ] || ssh-keygen -q -t ed25519 -N "" -f key
keys=$(sed 's/ /%20/g; s/+/%2B/g; s,/,%2F,g; s/=/%3D/g' key.pub | tr -d '\n')
task POST storage/local/download-url -d url=https://cloud.example/debian.qcow2 -d content=import -d filename=debian.qcow2
task POST qemu -d vmid=100 -d name=base -d cores=1 -d memory=512 -d net0=virtio,bridge=vmbr0 -d scsihw=virtio-scsi-pci \
  -d scsi0=local-lvm:0,import-from=local:import/debian.qcow2 -d ide2=local-lvm:cloudinit -d boot=order=scsi0 -d ciuser=ops \
  --data-urlencode "sshkeys=$keys" -d ipconfig0=ip=192.168.9.50/24,gw=192.168.9.1
task POST qemu/100/status/start
guest 192.168.9.50 'sudo tee /root/hostile.sh >/dev/null' <"$LAB/hostile.sh"
guest 192.168.9.50 'sudo sh /root/hostile.sh '' {targets} 2>&1' >by-ssh.txt
guest 192.168.9.50 'sudo tee /etc/systemd/system/hostile.service >/dev/null; sudo systemctl daemon-reload; sudo systemctl start hostile; sudo cat /run/hostile.txt' >by-unit.txt <<'UNIT'
[Service]
Type=oneshot
ExecStart=/bin/sh -c "sh /root/hostile.sh '' {targets} >/run/hostile.txt 2>&1"
UNIT
guest 192.168.9.50 'cat /proc/self/cgroup; readlink /proc/self/ns/user' >spaces.txt
"#
    )
}

/// Runs `hl rehearse` from a shell on a terminal, which then says what was typed
/// into it meanwhile.
fn on_a_terminal(lab: &TestLab, home: &Path, agent: &Path, recipe: &str) -> String {
    let terminal = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut command = CommandBuilder::new("bash");
    let script = "\"$HL\" rehearse \"$0\"; echo \"code $?\"; \
                  while read -r -t 1 line; do echo \"typed: $line\"; done; echo closing";
    command.args(["-c", script, recipe]);
    command.cwd(lab.root());
    for (name, value) in [
        ("HL", env!("CARGO_BIN_EXE_hl")),
        ("HOME", home.to_str().unwrap()),
        ("LAB", lab.root().to_str().unwrap()),
        ("SSH_AUTH_SOCK", agent.to_str().unwrap()),
        ("HL_GUEST_APT", apt_repo().to_str().unwrap()),
        ("PVE_ACCESS_HOST", NODE),
        ("PVE_NODE", "n1"),
        ("DOPPLER", "0"),
        ("TERM", "xterm"),
    ] {
        command.env(name, value);
    }
    let mut child = terminal.slave.spawn_command(command).unwrap();
    drop(terminal.slave);
    let mut reader = terminal.master.try_clone_reader().unwrap();
    let (mut said, mut buffer) = (String::new(), [0; 4096]);
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        said.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    child.wait().unwrap();
    said
}

#[test]
fn neither_a_guest_nor_a_local_step_reaches_the_machine() {
    if !is_root() {
        return;
    }
    let mut bystander = Bystander::new();
    let outside = tempfile::tempdir_in("/var/lib").unwrap();
    let home = tempfile::tempdir_in("/var/lib").unwrap();
    fs::create_dir(home.path().join(".ssh")).unwrap();
    for (file, text) in [
        ("id_ed25519", "a private key"),
        ("config", "Host of-the-user\n"),
    ] {
        fs::write(home.path().join(".ssh").join(file), text).unwrap();
    }
    let agent = outside.path().join("agent.sock");
    let listener = UnixListener::bind(&agent).unwrap();
    listener.set_nonblocking(true).unwrap();
    let marker = outside.path().join("hl-hostile-local");
    let targets = format!("{} {}", bystander.0.id(), agent.display());
    let local = format!(
        "mkdir -p \"$LAB/state/rehearsal/vm\"; cd \"$LAB/state/rehearsal/vm\"\n\
         sh \"$LAB/hostile.sh\" {} {targets} >local.txt 2>&1\n\
         {{ cat ~/.ssh/config; ls ~/.ssh; env | grep -c SSH_AUTH_SOCK; }} >home.txt 2>&1\n\
         for place in \"$LAB\" ~ /tmp /usr /etc /var /root /run /sys /proc /dev; do\n\
         if touch \"$place/hl-hostile-file\" 2>/dev/null; then echo \"$place\"; fi; done >writable.txt\n",
        marker.display()
    );
    let lab = lab(&[("local", &local), ("guest", &in_a_guest(&targets))]);
    lab.write("hostile.sh", SCRIPT);
    let before = (devices(), mounts(), run("ip", ["-o", "link"]));
    for recipe in ["guest", "local"] {
        let said = on_a_terminal(&lab, home.path(), &agent, recipe);
        assert!(said.contains("code 0"), "{recipe}: {said}");
        assert!(said.contains("closing"), "{recipe}: {said}");
        for part in ["HOSTILE", "typed:"] {
            assert!(!said.contains(part), "{recipe}: {said}");
        }
    }
    for file in ["by-ssh.txt", "by-unit.txt", "local.txt"] {
        let text = lab.read(&format!("state/rehearsal/vm/{file}"));
        assert!(text.ends_with("over\n"), "{file}: {text}");
        assert!(!text.contains("worked:"), "{file}: {text}");
        assert!(
            text.contains("a terminal: No such device or address"),
            "{file}: {text}"
        );
    }
    let spaces = lab.read("state/rehearsal/vm/spaces.txt");
    for line in spaces.lines().filter(|line| !line.starts_with("user:")) {
        assert!(line.ends_with(":/"), "{spaces}");
    }
    let own = fs::read_link("/proc/self/ns/user").unwrap();
    assert!(!spaces.contains(own.to_str().unwrap()), "{spaces}");
    // A step has the user's settings of ssh, and no key.
    let seen = lab.read("state/rehearsal/vm/home.txt");
    assert_eq!(seen, "Host of-the-user\nconfig\n0\n");
    let written = lab.read("state/rehearsal/vm/writable.txt");
    let home = home.path().to_str().unwrap();
    for place in written.lines() {
        let private = [home, "/tmp", "/root", "/run", "/dev"].contains(&place);
        assert!(private, "{written}");
        assert!(
            !Path::new(place).join("hl-hostile-file").exists(),
            "{place}"
        );
    }
    assert!(written.contains("/tmp\n"), "{written}");
    assert!(bystander.is_there());
    assert!(listener.accept().is_err(), "somebody came to the socket");
    assert!(!marker.exists());
    assert_eq!(cgroups(), "");
    let after = (devices(), mounts(), run("ip", ["-o", "link"]));
    assert_eq!(before, after);
}
