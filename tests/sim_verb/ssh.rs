//! Nodes over SSH: real ssh and sftp, and the real tofu with the bpg provider, which
//! writes snippets and imports images there.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use hl_sim::RequestLine;
use serde_json::json;

use super::guests::has_guests;
use super::page::{blocks, has, shell};
use super::stage::Sim;
use crate::sim::clients::flows;
use crate::support::TestLab;

/// A node, as a client that knows its host key reaches it.
struct Node<'a> {
    lab: &'a TestLab,
    world: &'a str,
    at: String,
}

impl<'a> Node<'a> {
    /// The first node that a simulator says.
    fn of(sim: &mut Sim, lab: &'a TestLab, world: &'a str) -> Self {
        let said = sim.says("ssh -i ");
        let at = said.rsplit(' ').next().unwrap().trim().to_owned();
        Self { lab, world, at }
    }

    fn options(&self) -> Vec<String> {
        let file = |name: &str| self.lab.path(&format!("{}/ssh/{name}", self.world));
        [
            "-F".to_owned(),
            "none".to_owned(),
            "-oBatchMode=yes".to_owned(),
            "-oIdentitiesOnly=yes".to_owned(),
            "-oStrictHostKeyChecking=yes".to_owned(),
            "-oConnectTimeout=60".to_owned(),
            format!("-oUserKnownHostsFile={}", file("known_hosts").display()),
            "-i".to_owned(),
            file("id_ed25519").display().to_string(),
        ]
        .into()
    }

    fn run(&self, script: &str) -> Output {
        let mut command = Command::new("ssh");
        command.args(self.options()).arg(&self.at).arg(script);
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// A script that has to succeed, and what it printed.
    #[track_caller]
    fn ok(&self, script: &str) -> String {
        let output = self.run(script);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {} {err}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn fails(&self, script: &str, said: &str) {
        let output = self.run(script);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(255), "{script}: {err}");
        assert!(err.contains(said), "{script}: {err}");
    }
}

/// Lines of `--log`.
fn requests(log: &str) -> Vec<RequestLine> {
    let line = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| line[key].as_str().unwrap().to_owned();
        RequestLine {
            method: text("method"),
            path: text("path"),
            status: u16::try_from(line["status"].as_u64().unwrap()).unwrap(),
            micros: line["micros"].as_u64().unwrap(),
            who: text("who"),
        }
    };
    log.lines().map(line).collect()
}

#[test]
fn a_node_has_its_command_line_and_its_snippets() {
    if !has_guests() {
        return;
    }
    let lab = TestLab::empty();
    let mut sim = Sim::with(&lab, "--world world --admin --take-downloads");
    let node = Node::of(&mut sim, &lab, "world");
    assert!(node.at.starts_with("root@127."), "{}", node.at);

    assert_eq!(node.ok("hostname; id -u"), "pve\n0\n");
    assert_eq!(node.ok("qm list"), "");
    node.ok("qm create 100 --name by-hand --memory 512 -scsi0 local-lvm:1");
    assert_eq!(node.ok("qm status 100"), "status: stopped\n");
    assert!(node.ok("qm list").contains("100 by-hand"));
    let version = node.ok("pvesh get /version --output-format json");
    let version: serde_json::Value = serde_json::from_str(&version).unwrap();
    assert_eq!(version["release"], "9.1");
    let key = lab.read("world/ssh/id_ed25519.pub");
    node.ok(&format!(
        "echo '{}' >/root/keys; qm set 100 --sshkeys /root/keys",
        key.trim()
    ));
    let config = sim.get("/nodes/pve/qemu/100/config");
    assert!(
        config["sshkeys"].as_str().unwrap().starts_with("ssh%2D"),
        "{config}"
    );
    node.fails("qm start 101", "Configuration file 'nodes/pve/");
    node.fails("qm fly", "unknown command 'qm fly'");
    node.ok("qm destroy 100");

    // Snippets come by sftp and by a shell, are listed, and go by the API and by hand.
    node.ok("pvesm set local --content iso,snippets");
    lab.write("one.yaml", "#cloud-config\nhostname: one\n");
    let mut sftp = Command::new("sftp")
        .args(node.options())
        .args(["-b", "-", &node.at])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let local = lab.path("one.yaml");
    let batch = format!("put {} /var/lib/vz/snippets/one.yaml\n", local.display());
    sftp.stdin
        .take()
        .unwrap()
        .write_all(batch.as_bytes())
        .unwrap();
    assert!(sftp.wait().unwrap().success());
    node.ok("cd /var/lib/vz/snippets && echo two >two.yaml && ln -s /etc/passwd link && mkdir dir");
    let content = || sim.get("/nodes/pve/storage/local/content?content=snippets");
    let names = |content: serde_json::Value| -> Vec<String> {
        let items = content.as_array().unwrap().clone();
        items
            .iter()
            .map(|item| item["volid"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(content()),
        ["local:snippets/one.yaml", "local:snippets/two.yaml"]
    );
    assert_eq!(content()[0]["size"], 28);
    node.ok("pvesm free local:snippets/one.yaml");
    assert_eq!(node.ok("ls /var/lib/vz/snippets"), "dir\nlink\ntwo.yaml\n");
    assert_eq!(names(content()), ["local:snippets/two.yaml"]);

    // The next start has the same host key, and the files that the world knows.
    drop(sim);
    let mut sim = Sim::with(&lab, "--world world --admin");
    let content = "/nodes/pve/storage/local/content";
    assert_eq!(sim.get(content)[0]["volid"], "local:snippets/two.yaml");
    let gone = sim.send(
        reqwest::blocking::Client::delete,
        "/nodes/pve/storage/local/content/local:snippets/two.yaml",
    );
    assert!(gone.unwrap().status().is_success());
    let node = Node::of(&mut sim, &lab, "world");
    assert!(!node.ok("ls /var/lib/vz/snippets").contains("two.yaml"));
    assert_eq!(sim.get(content), json!([]));
}

#[test]
fn terraform_writes_snippets_and_imports_images_as_the_page_says() {
    if !has_guests() || !has(&["tofu", "bash"]) {
        return;
    }
    let lab = TestLab::empty();
    lab.write("nodes.toml", &blocks("toml")[1])
        .write("main.tf", &blocks("hcl")[1]);
    let commands = blocks("sh");
    let serve = commands[3].trim().strip_prefix("hl sim ").unwrap();
    let mut sim = Sim::with_args(&lab, serve, &["--log", "requests.jsonl"]);
    let node = Node::of(&mut sim, &lab, "nodes");
    assert!(node.at.starts_with("terraform@127."), "{}", node.at);

    let applied = shell(&lab, &commands[4]);
    assert!(applied.contains("Resources: 7 added"), "{applied}");
    assert!(applied.contains("No changes."), "{applied}");
    let all = sim.get("/cluster/resources?type=vm");
    let number = |name: &str| {
        let mut guests = all.as_array().unwrap().iter();
        let found = guests.find(|guest| guest["name"] == name).unwrap();
        found["vmid"].as_u64().unwrap()
    };
    // What the snippets want is in the guests.
    for name in ["web", "db"] {
        let vmid = number(name);
        let config = sim.get(&format!("/nodes/pve/qemu/{vmid}/config"));
        assert_eq!(
            config["cicustom"],
            format!("user=local:snippets/{name}.yaml")
        );
        let disk = config["scsi0"].as_str().unwrap();
        assert!(disk.contains("size=8G"), "{config}");
        assert!(config.get("unused0").is_none(), "{config}");
        let told = node.ok(&format!(
            "sudo qm guest exec {vmid} -- sh -c 'hostname; cat /etc/motd; id -un ops; sudo -n -u ops sudo -n id -u'"
        ));
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let wanted = format!("{name}\nmade by a snippet\nops\n0\n");
        assert_eq!(told["out-data"], wanted, "{told}");
    }

    // Files go into the container and come out of it, by paths of the node.
    let proxy = number("proxy");
    node.ok(&format!(
        "echo to the container >note && sudo pct push {proxy} note /data/note --perms 600 --user nobody"
    ));
    let told = node.ok(&format!(
        "sudo pct exec {proxy} -- sh -c 'hostname; mountpoint -q /data && cat /data/note; stat -c \"%a %U\" /data/note; echo back >/root/note'"
    ));
    assert_eq!(told, "proxy\nto the container\n600 nobody\n");
    let told = node.ok(&format!(
        "sudo pct pull {proxy} /root/note back && cat back"
    ));
    assert_eq!(told, "back\n");
    let refused = format!("sudo pct push {proxy} /no/such /x");
    node.fails(&refused, "failed to open /no/such for reading");

    // The provider's own user is not root, and a plain command says so.
    node.fails("/usr/sbin/qm list", "please run as root");
    let eval = commands[4].lines().next().unwrap();
    let destroyed = shell(&lab, &format!("{eval}\ntofu destroy -auto-approve"));
    assert!(destroyed.contains("Resources: 7 destroyed"), "{destroyed}");
    assert_eq!(sim.get("/cluster/resources?type=vm"), json!([]));
    for storage in ["local", "local-lvm"] {
        let left = sim.get(&format!("/nodes/pve/storage/{storage}/content"));
        assert_eq!(left, json!([]), "{storage}");
    }
    assert_eq!(node.ok("ls /var/lib/vz/snippets"), "");
    sim.interrupt();
    let ended = sim.ended();
    assert!(!ended.said.contains("not implemented"), "{}", ended.said);
    flows::passed(flows::OVER_SSH, &requests(&lab.read("requests.jsonl")));
}

/// Two nodes, each with its own system, and a storage that both have.
#[test]
fn a_snippet_of_a_shared_storage_is_on_both_nodes() {
    if !has_guests() {
        return;
    }
    let lab = TestLab::empty();
    lab.write(
        "seed.toml",
        r#"
        nodes = ["n2"]
        [[storage]]
        id = "share"
        type = "nfs"
        content = ["snippets", "images"]
        "#,
    );
    let mut sim = Sim::with(&lab, "--world world --seed seed.toml --admin");
    let one = Node::of(&mut sim, &lab, "world");
    let two = Node::of(&mut sim, &lab, "world");
    assert_ne!(one.at, two.at);
    let folder = "/mnt/pve/share/snippets";
    one.ok(&format!("echo first >{folder}/user.yaml"));
    // Its system starts only now.
    assert_eq!(two.ok(&format!("cat {folder}/user.yaml")), "first\n");
    two.ok(&format!("echo second >{folder}/user.yaml"));
    let content = sim.get("/nodes/pve/storage/share/content");
    assert_eq!(content.as_array().unwrap().len(), 1, "{content}");
    assert_eq!(content[0]["size"], 7);
    assert_eq!(one.ok(&format!("cat {folder}/user.yaml")), "second\n");
    one.ok(&format!("rm {folder}/user.yaml"));
    assert_eq!(sim.get("/nodes/n2/storage/share/content"), json!([]));
    assert_eq!(two.ok(&format!("ls {folder}")), "");
}
