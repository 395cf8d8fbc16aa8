//! Root of a guest, and root in a local step, against the machine under them.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tempfile::TempDir;

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
guest 192.168.9.50 'sudo sh /root/hostile.sh "" {targets} 2>&1' >by-ssh.txt
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
fn on_a_terminal(lab: &TestLab, machine: &Machine, recipe: &str) -> String {
    let terminal = native_pty_system().openpty(PtySize::default()).unwrap();
    let mut command = CommandBuilder::new("bash");
    // A terminal that a shell left open is one, too.
    let script = "exec 5<>/dev/tty; \"$HL\" rehearse \"$0\"; echo \"code $?\"; \
                  while read -r -t 1 line; do echo \"typed: $line\"; done; echo closing";
    command.args(["-c", script, recipe]);
    command.cwd(lab.root());
    for (name, value) in [
        ("HL", env!("CARGO_BIN_EXE_hl")),
        ("HOME", machine.home().to_str().unwrap()),
        ("LAB", lab.root().to_str().unwrap()),
        ("SSH_AUTH_SOCK", machine.agent().to_str().unwrap()),
        ("HL_GUEST_APT", apt_repo().to_str().unwrap()),
        ("PVE_ACCESS_HOST", NODE),
        ("PVE_NODE", if recipe == "up" { "pve" } else { "n1" }),
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

/// What must be the same afterwards, and what must not have been reached.
struct Machine {
    bystander: Bystander,
    outside: TempDir,
    listener: UnixListener,
    before: (Vec<String>, String, String),
}

impl Machine {
    fn new() -> Self {
        // Outside of what is hidden as a whole.
        let outside = tempfile::tempdir_in("/var/lib").unwrap();
        let listener = UnixListener::bind(outside.path().join("agent.sock")).unwrap();
        listener.set_nonblocking(true).unwrap();
        let home = outside.path().join("home");
        fs::create_dir_all(home.join(".ssh")).unwrap();
        fs::write(home.join(".ssh/id_ed25519"), "a private key").unwrap();
        fs::write(home.join(".ssh/config"), "Host of-the-user\n").unwrap();
        Self {
            bystander: Bystander::new(),
            outside,
            listener,
            before: state(),
        }
    }

    fn home(&self) -> PathBuf {
        self.outside.path().join("home")
    }

    fn agent(&self) -> PathBuf {
        self.outside.path().join("agent.sock")
    }

    fn marker(&self) -> PathBuf {
        self.outside.path().join("hl-hostile")
    }

    /// What the script is called with, where it could reach them.
    fn targets(&self) -> String {
        format!("{} {}", self.bystander.0.id(), self.agent().display())
    }

    #[track_caller]
    fn is_as_before(&mut self) {
        assert!(self.bystander.is_there());
        assert!(
            self.listener.accept().is_err(),
            "somebody came to the socket"
        );
        assert!(!self.marker().exists());
        assert_eq!(cgroups(), "");
        assert_eq!(self.before, state());
    }
}

fn state() -> (Vec<String>, String, String) {
    (devices(), mounts(), run("ip", ["-o", "link"]))
}

/// The script came to its end, and nothing in it worked.
#[track_caller]
fn failed(what: &str, text: &str) {
    assert!(text.trim_end().ends_with("over"), "{what}: {text}");
    assert!(!text.contains("worked:"), "{what}: {text}");
    let terminal = "a terminal: No such device or address";
    assert!(text.contains(terminal), "{what}: {text}");
}

#[test]
fn neither_a_guest_nor_a_local_step_reaches_the_machine() {
    if !is_root() {
        return;
    }
    let mut machine = Machine::new();
    let local = format!(
        "mkdir -p \"$LAB/state/rehearsal/vm\"; cd \"$LAB/state/rehearsal/vm\"\n\
         sh \"$LAB/hostile.sh\" {} {} >local.txt 2>&1\n\
         {{ cat ~/.ssh/config; ls ~/.ssh; env | grep -c SSH_AUTH_SOCK; }} >home.txt 2>&1\n\
         for place in \"$LAB\" ~ /tmp /usr /etc /var /root /run /sys /proc /dev; do\n\
         if touch \"$place/hl-hostile-file\" 2>/dev/null; then echo \"$place\"; fi; done >writable.txt\n",
        machine.marker().display(),
        machine.targets(),
    );
    let guest = in_a_guest(&machine.targets());
    let lab = lab(&[("look", &local), ("guest", &guest)]);
    lab.write("hostile.sh", SCRIPT);
    for recipe in ["guest", "look"] {
        let said = on_a_terminal(&lab, &machine, recipe);
        assert!(said.contains("code 0"), "{recipe}: {said}");
        assert!(said.contains("closing"), "{recipe}: {said}");
        for part in ["HOSTILE", "typed:"] {
            assert!(!said.contains(part), "{recipe}: {said}");
        }
    }
    let wrote = |file: &str| lab.read(&format!("state/rehearsal/vm/{file}"));
    for file in ["by-ssh.txt", "by-unit.txt", "local.txt"] {
        failed(file, &wrote(file));
    }
    let spaces = wrote("spaces.txt");
    for line in spaces.lines().filter(|line| !line.starts_with("user:")) {
        assert!(line.ends_with(":/"), "{spaces}");
    }
    let own = fs::read_link("/proc/self/ns/user").unwrap();
    assert!(!spaces.contains(own.to_str().unwrap()), "{spaces}");
    // A step has the user's settings of ssh, and no key.
    assert_eq!(wrote("home.txt"), "Host of-the-user\nconfig\n0\n");
    let written = wrote("writable.txt");
    let home = machine.home();
    for place in written.lines() {
        let private = [home.to_str().unwrap(), "/tmp", "/root", "/run", "/dev"];
        assert!(private.contains(&place), "{written}");
        assert!(
            !Path::new(place).join("hl-hostile-file").exists(),
            "{place}"
        );
    }
    assert!(written.contains("/tmp\n"), "{written}");
    machine.is_as_before();
}

/// What root of a node is told to do: by ssh, with a host key that is known. Before
/// that, its sshd is asked to lead to a port of the machine, and is besieged.
fn in_a_node(targets: &str, port: u16) -> String {
    format!(
        r#"{MACHINES}
state="$LAB/state/rehearsal/state"
options="-F none -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o UserKnownHostsFile=$state/known_hosts -i $state/ssh/id_ed25519"
node() {{ ssh $options root@192.0.2.10 "$@"; }}
for way in "-W 127.0.0.1:{port}" "-W [::1]:{port}"; do
  if echo hello | timeout 30 ssh $options $way root@192.0.2.10 | grep -q .; then echo "worked: $way"; fi
done >forward.txt 2>&1
python3 - <<'PYTHON'
import socket
silent = []
for number in range(300):
    try:
        silent.append(socket.create_connection(("192.0.2.10", 22), timeout=10))
        silent[-1].sendall(b"SSH-2.0-" + b"x" * (number * 100))
    except OSError:
        pass
for stream in silent:
    stream.close()
PYTHON
for try in 1 2 3 4 5 6 7 8 9 10; do
  if node true; then echo "alive" >alive.txt; break; fi
  sleep 1
done
node 'qm create 100 --name web --memory 512; qm list' >list.txt
node 'pvesm set local --content iso,import,snippets'
node 'tee /root/hostile.sh >/dev/null' <"$LAB/hostile.sh"
node 'sh /root/hostile.sh "" {targets} 2>&1' >by-node.txt
node 'cat /proc/self/cgroup; readlink /proc/self/ns/user; cat /proc/self/status' >spaces.txt
node 'tee /root/node.py >/dev/null' <"$LAB/node.py"
node 'python3 /root/node.py 2>&1' >by-socket.txt
node 'useradd -m joe; setpriv --reuid=joe --regid=joe --clear-groups qm list; echo $?' >joe.txt 2>&1
api GET version >version.txt || api GET status >version.txt
ls -A "$LAB/state/rehearsal/world" >world.txt
env | grep -c PROXMOX_VE_SSH_ >variables.txt
"#
    )
}

#[test]
fn neither_does_root_of_a_node() {
    if !is_root() {
        return;
    }
    let mut machine = Machine::new();
    let forwarded = TcpListener::bind("127.0.0.1:0").unwrap();
    forwarded.set_nonblocking(true).unwrap();
    let port = forwarded.local_addr().unwrap().port();
    let lab = lab(&[("look", &in_a_node(&machine.targets(), port))]);
    lab.write("hostile.sh", SCRIPT)
        .write("node.py", include_str!("hostile_node.py"));
    let said = on_a_terminal(&lab, &machine, "look");
    let wrote = |file: &str| lab.read(&format!("state/rehearsal/vm/{file}"));
    assert!(said.contains("code 0"), "{said}");
    for part in ["HOSTILE", "typed:"] {
        assert!(!said.contains(part), "{said}");
    }
    failed("by-node.txt", &wrote("by-node.txt"));
    // Its sshd leads to no port of the machine, and lives through a siege.
    assert!(forwarded.accept().is_err(), "somebody came to the port");
    let forward = wrote("forward.txt");
    assert!(!forward.contains("worked:"), "{forward}");
    assert_eq!(wrote("alive.txt"), "alive\n");
    let socket = wrote("by-socket.txt");
    assert!(socket.trim_end().ends_with("over"), "{socket}");
    assert!(!socket.contains("worked:"), "{socket}");
    assert!(wrote("list.txt").contains("100 web"));
    assert!(
        wrote("joe.txt").contains("please run as root"),
        "{}",
        wrote("joe.txt")
    );
    // It has the walls of a guest.
    let spaces = wrote("spaces.txt");
    let own = fs::read_link("/proc/self/ns/user").unwrap();
    assert!(!spaces.contains(own.to_str().unwrap()), "{spaces}");
    let bounding = spaces.lines().find(|line| line.starts_with("CapBnd:"));
    let bounding = bounding.unwrap().split_whitespace().last().unwrap();
    let bounding = u64::from_str_radix(bounding, 16).unwrap();
    // CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_SYS_MODULE, CAP_MKNOD, CAP_DAC_READ_SEARCH
    for capability in [21, 19, 16, 27, 2] {
        assert_eq!(bounding >> capability & 1, 0, "{spaces}");
    }
    // A step sees neither the socket nor the host keys.
    assert_eq!(wrote("world.txt"), "ca.pem\n");
    assert_eq!(wrote("variables.txt"), "2\n");
    machine.is_as_before();
}

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

/// The shipped lab with one machine, and somebody else's files in it: packer's
/// scripts, in the guest and here, tofu's `local-exec`, and a play that does both.
fn infiltrated(machine: &Machine) -> TestLab {
    let lab = TestLab::shipped();
    let templates = "layers/l1-templates/layer.toml";
    let one: Vec<String> = lab
        .read(templates)
        .lines()
        .filter(|line| !line.contains("l1-ensure ubuntu-24.04"))
        .map(str::to_owned)
        .collect();
    let out = lab.path("state/rehearsal");
    let here = |by: &str| {
        format!(
            "sh {} {} {} >{}/{by}.txt 2>&1",
            lab.path("hostile.sh").display(),
            machine.marker().display(),
            machine.targets(),
            out.display()
        )
    };
    let build = "layers/l1-templates/cloud-image/build.pkr.hcl";
    let scripts = "\"${path.root}/scripts/clean.sh\",";
    let packer = lab.read(build);
    assert!(packer.contains(scripts));
    let packer = packer
        .replace(
            scripts,
            // Before the one that takes sudo away.
            &format!("\"${{path.root}}/scripts/hostile.sh\",\n{scripts}"),
        )
        .replace(
            "  post-processor",
            &format!(
                "  provisioner \"shell-local\" {{ inline = [\"{}\"] }}\n  post-processor",
                here("packer")
            ),
        );
    let tofu = format!(
        "resource \"terraform_data\" \"hostile\" {{\n  provisioner \"local-exec\" {{\n    command = \"{}\"\n  }}\n}}\n",
        here("tofu")
    );
    let play = format!(
        "- hosts: all
  become: true
  gather_facts: false
  # Ansible asks the guest for a terminal, which would be one of the guest's own.
  vars: {{ ansible_ssh_use_tty: false }}
  tasks:
    - ansible.builtin.script: {script}
      register: guest
      changed_when: false
    - ansible.builtin.command: sh -c '{here}'
      delegate_to: localhost
      become: false
      changed_when: false
    - ansible.builtin.copy: {{ content: \"{{{{ guest.stdout }}}}\", dest: {out}/role.txt }}
      delegate_to: localhost
      become: false
",
        script = lab.path("hostile.sh").display(),
        here = here("delegated"),
        out = out.display(),
    );
    let in_template = format!("#!/bin/sh\n(\n{SCRIPT}\n) >/root/hostile.txt 2>&1\n");
    lab.write(templates, &one.join("\n"))
        .write("site/envs/dev.yaml", MACHINE)
        .write("hostile.sh", SCRIPT)
        .write(build, &packer)
        .write(
            "layers/l1-templates/cloud-image/scripts/hostile.sh",
            &in_template,
        )
        .write("layers/l2-instantiate/tofu/vms/hostile.tf", &tofu)
        .write("layers/l3-system/ansible/system.yml", &play)
        .write(
            "layers/l4-workloads/ansible/workloads.yml",
            "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: { msg: nothing }\n",
        );
    lab
}

#[test]
fn neither_does_what_tools_run_in_a_guest_and_here() {
    let programs = ["packer", "tofu", "ansible-playbook"];
    if !crate::e2e::ready(true, &programs) {
        return;
    }
    let mut machine = Machine::new();
    let lab = infiltrated(&machine);
    let said = on_a_terminal(&lab, &machine, "up");
    assert!(said.contains("code 0"), "{said}");
    for part in ["HOSTILE", "typed:"] {
        assert!(!said.contains(part), "{said}");
    }
    for by in ["packer", "tofu", "delegated", "role"] {
        failed(by, &lab.read(&format!("state/rehearsal/{by}.txt")));
    }
    let disks = fs::read_dir(lab.path("state/rehearsal/world/disks")).unwrap();
    let written: Vec<PathBuf> = disks
        .map(|disk| disk.unwrap().path().join("root/hostile.txt"))
        .filter(|file| file.exists())
        .collect();
    assert!(!written.is_empty(), "packer's script did not run");
    for file in written {
        failed("packer's script", &fs::read_to_string(file).unwrap());
    }
    machine.is_as_before();
}
