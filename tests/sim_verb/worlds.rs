//! Worlds: seeded, kept, read while they are served, emptied; and what is said of
//! their requests.

use hl_sim::World;

use super::stage::Sim;
use crate::support::TestLab;

/// A rehearsal's world is opened with its own token, and a change in it stays.
#[test]
fn a_rehearsals_world_is_opened_and_kept() {
    let lab = TestLab::empty();
    let dir = lab.path("state/rehearsal/world");
    std::fs::create_dir_all(&dir).unwrap();
    let mut seed = hl_sim::Seed::default();
    seed.tokens.push(hl_sim::SeedToken::administrator(
        "lab@pve!hl",
        "11111111-2222-3333-4444-555555555555",
    ));
    let world = serde_json::to_vec(&World::seeded(&seed)).unwrap();
    std::fs::write(dir.join("world.json"), world).unwrap();
    let keys = serde_json::json!({
        "identity": {
            "node": "pve", "storage_vm": "local-lvm", "storage_iso": "local",
            "storage_import": "local", "bridge": "vmbr0", "token_id": "lab@pve!hl",
            "names": ["192.0.2.10"], "others": [],
        },
        "secret": "11111111-2222-3333-4444-555555555555",
        "ca_pem": "the rehearsal's", "cert_pem": "", "key_pem": "",
    });
    lab.write("state/rehearsal/world/keys.json", &keys.to_string());
    lab.write("state/rehearsal/world/ca.pem", "the rehearsal's");

    let sim = Sim::with(&lab, "--world state/rehearsal/world");
    assert_eq!(sim.exports["PM_TOKEN_ID"], "lab@pve!hl");
    sim.post("/nodes/pve/qemu", &[("vmid", "7000"), ("name", "by-hand")]);
    // Nobody rehearses meanwhile.
    let lock = std::fs::File::open(lab.path("state/rehearsal/lock")).unwrap();
    assert!(lock.try_lock().is_err());
    drop(sim);
    assert!(
        lab.read("state/rehearsal/world/world.json")
            .contains("by-hand")
    );
    assert_eq!(
        lab.read("state/rehearsal/world/keys.json"),
        keys.to_string()
    );
    assert_eq!(lab.read("state/rehearsal/world/ca.pem"), "the rehearsal's");
}

const SEED: &str = r#"
pve = "8.4"
node = "n1"
nodes = ["n2"]

[downloads]
"https://cloud.example/debian.iso" = "debian.iso"

[[storage]]
id = "tank"
type = "dir"
content = ["images", "iso"]

[[vm]]
vmid = 100
name = "web"
cores = 2
disk = "tank:8G"
"#;

#[test]
fn a_world_begins_as_a_file_says() {
    let lab = TestLab::empty();
    lab.write("seed.toml", SEED).write("debian.iso", "abc");
    let sim = Sim::with(&lab, "--world world --seed seed.toml --admin");
    assert_eq!(sim.exports["PVE_NODE"], "n1");
    assert_eq!(sim.exports["PVE_STORAGE_VM"], "tank");
    assert_eq!(sim.get("/version")["release"], "8.4");
    assert_eq!(sim.get("/nodes").as_array().unwrap().len(), 2);
    let config = sim.get("/nodes/n1/qemu/100/config");
    assert_eq!(config["scsi0"], "tank:100/vm-100-disk-0.qcow2,size=8G");
    let url = "https://cloud.example/debian.iso";
    let download = [("url", url), ("content", "iso"), ("filename", "d.iso")];
    sim.post("/nodes/n1/storage/tank/download-url", &download);
    let content = sim.get("/nodes/n1/storage/tank/content?content=iso");
    assert_eq!(content[0]["size"], 3, "{content}");
    drop(sim);
    // It began: the file would change nothing any more.
    lab.hl("sim --listen 127.0.0.1:0 --world world --seed seed.toml")
        .exits(2)
        .says(&["has a world already", "hl sim reset --world"]);
    let again = Sim::with(&lab, "--world world");
    assert_eq!(again.exports["PVE_STORAGE_VM"], "tank");
}

#[test]
fn a_file_that_is_wrong_is_refused_with_the_places() {
    let lab = TestLab::empty();
    lab.write("seed.toml", "[[vm]]\nvmid = 7\n[[storrage]]\n");
    let ran = lab
        .hl("sim --listen 127.0.0.1:0 --seed seed.toml")
        .exits(65);
    ran.says(&[
        "seed.toml:2:8",
        "expected 100 to 999999999",
        "did you mean `storage`?",
    ]);
    lab.hl("sim --listen 127.0.0.1:0 --seed nowhere.toml")
        .exits(65)
        .says(&["cannot read"]);
    for name in ["seed", "faults"] {
        let schema = lab.hl("schema").arg(name).exits(0).json();
        assert!(schema["properties"].is_object(), "{schema}");
    }
}

/// Who reads sees the world as it was after one call or the next; who would write is
/// turned away.
#[test]
fn a_world_is_read_while_it_is_served_and_written_by_one() {
    let lab = TestLab::empty();
    let sim = Sim::start(&lab);
    let file = lab.path("world/world.json");
    std::thread::scope(|scope| {
        let reads = scope.spawn(|| {
            let seen = (0..60).map(|_| World::load(&file).unwrap().vms.len());
            seen.collect::<Vec<_>>()
        });
        for vmid in 100..130 {
            sim.post("/nodes/pve/qemu", &[("vmid", &vmid.to_string())]);
        }
        let seen = reads.join().unwrap();
        assert!(seen.is_sorted(), "{seen:?}");
    });
    assert_eq!(World::load(&file).unwrap().vms.len(), 30);
    for words in [
        "sim --listen 127.0.0.1:0 --world world",
        "sim reset --world world",
    ] {
        lab.hl(words)
            .exits(75)
            .says(&["is being served by process", "hl sim export --world"]);
    }
}

#[test]
fn a_world_that_is_reset_begins_anew_with_the_same_token() {
    let lab = TestLab::empty();
    let sim = Sim::start(&lab);
    sim.post(
        "/nodes/pve/qemu",
        &[("vmid", "100"), ("scsi0", "local-lvm:1")],
    );
    let secret = sim.exports["PM_TOKEN_SECRET"].clone();
    drop(sim);
    lab.hl("sim reset --world world")
        .exits(0)
        .says(&["Emptied"]);
    lab.hl("sim reset --world world")
        .exits(66)
        .says(&["there is no world in `world`"]);
    let sim = Sim::start(&lab);
    assert_eq!(sim.get("/nodes/pve/qemu"), serde_json::json!([]));
    assert_eq!(sim.exports["PM_TOKEN_SECRET"], secret);
}

/// Each request is a line of a file, without a secret; at the end it is said what was
/// asked for and is not there.
#[test]
fn requests_are_written_down_and_summed_up() {
    let lab = TestLab::empty();
    let sim = Sim::with(&lab, "--world world --admin --log requests.jsonl");
    let password = sim.exports["PROXMOX_ROOT_PASSWORD"].clone();
    let secret = sim.exports["PM_TOKEN_SECRET"].clone();
    let login = [("username", "root@pam"), ("password", password.as_str())];
    sim.post("/access/ticket", &login);
    sim.get("/version");
    for path in ["/no/such?password=hunter2", "/no/such", "/nor/this"] {
        let missing = sim.send(reqwest::blocking::Client::get, path).unwrap();
        assert_eq!(missing.status().as_u16(), 501);
    }
    sim.interrupt();
    let ended = sim.ended();
    assert!(ended.status.success(), "{}", ended.said);
    for part in [
        "after 5 requests, 3 of them not implemented (501)",
        "2 times `GET /no/such`",
        "1 times `GET /nor/this`",
    ] {
        assert!(ended.said.contains(part), "{part}: {}", ended.said);
    }
    let log = lab.read("requests.jsonl");
    for hidden in [password.as_str(), &secret, "hunter2"] {
        assert!(!log.contains(hidden), "{log}");
    }
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[1]["path"], "/version");
    assert_eq!(lines[1]["who"], "root@pam!admin");
    assert_eq!(lines[4]["status"], 501);
}

#[test]
fn it_ends_with_its_standard_input_when_it_is_asked_to() {
    let lab = TestLab::empty();
    let mut sim = Sim::with(&lab, "--until-stdin-closes");
    sim.get("/version");
    sim.close();
    let ended = sim.ended();
    assert!(ended.status.success(), "{}", ended.said);
    // Without, nothing of it is read.
    let mut sim = Sim::start(&lab);
    sim.close();
    for _ in 0..5 {
        sim.get("/version");
        std::thread::sleep(std::time::Duration::from_millis(60));
    }
}
