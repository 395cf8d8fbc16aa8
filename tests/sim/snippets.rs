//! Snippets: files of a node, or of all nodes that share a storage.

use std::sync::Arc;

use hl_sim::{Seed, SeedStorage, World};
use serde_json::Value;

use super::folders::Folders;
use super::support::{Lab, Setup, seed};

const SHARED: &str = "/mnt/pve/share/snippets";
const LOCAL: &str = "/var/lib/vz/snippets";

/// Two nodes whose systems run: the first one's files are 1, the second one's 2.
fn two_nodes() -> (Lab, Arc<Folders>) {
    let folders = Arc::new(Folders::default());
    let mut seed = Seed {
        more_nodes: vec!["two".to_owned()],
        ..seed()
    };
    seed.storages[0].content.push("snippets".to_owned());
    seed.storages
        .push(SeedStorage::new("share", "nfs", &["snippets", "images"]));
    let lab = Setup {
        world: World::seeded(&seed),
        guests: Arc::<Folders>::clone(&folders),
        ..Setup::default()
    }
    .start();
    for node in ["pve", "two"] {
        lab.server().command_line(node).unwrap().booted().unwrap();
    }
    (lab, folders)
}

fn listed(lab: &Lab, node: &str, storage: &str) -> Vec<String> {
    let path = format!("/nodes/{node}/storage/{storage}/content?content=snippets");
    let content = lab.get(&path).data();
    let volid = |item: &Value| item["volid"].as_str().unwrap().to_owned();
    content.as_array().unwrap().iter().map(volid).collect()
}

#[test]
fn a_file_of_a_shared_storage_is_one_file_on_all_nodes() {
    let (lab, folders) = two_nodes();
    let (one, two) = ((1, SHARED), (2, SHARED));
    let at = |(number, folder): (u32, &str), name: &str| {
        folders.text(number, &format!("{folder}/{name}"))
    };
    folders.put(1, &format!("{SHARED}/a.yaml"), b"first");
    // The other node is asked, and has it.
    assert_eq!(listed(&lab, "two", "share"), ["share:snippets/a.yaml"]);
    assert_eq!(at(two, "a.yaml").as_deref(), Some("first"));
    let volumes = || lab.server().world().volumes.len();
    assert_eq!(volumes(), 1);

    // What is written over it there is what the first has, and not the other way round.
    folders.put(2, &format!("{SHARED}/a.yaml"), b"second");
    for node in ["pve", "two", "pve"] {
        assert_eq!(listed(&lab, node, "share"), ["share:snippets/a.yaml"]);
    }
    assert_eq!(at(one, "a.yaml").as_deref(), Some("second"));
    assert_eq!(at(two, "a.yaml").as_deref(), Some("second"));
    assert_eq!(volumes(), 1);

    // A guest on one node follows what was written on the other.
    let custom = "user=share:snippets/a.yaml";
    let form = [("vmid", "100"), ("cicustom", custom), ("start", "1")];
    lab.done(&lab.post("/nodes/pve/qemu", &form));

    // Removed by hand on one, it is gone on both; removed by the API, too.
    folders.remove(1, &format!("{SHARED}/a.yaml"));
    assert!(listed(&lab, "two", "share").is_empty());
    assert_eq!(at(two, "a.yaml"), None);
    folders.put(2, &format!("{SHARED}/b.yaml"), b"b");
    assert_eq!(listed(&lab, "pve", "share"), ["share:snippets/b.yaml"]);
    lab.done(&lab.delete("/nodes/pve/storage/share/content/share:snippets/b.yaml"));
    assert_eq!((at(one, "b.yaml"), at(two, "b.yaml")), (None, None));
}

#[test]
fn a_node_that_starts_later_has_what_the_others_wrote() {
    let (lab, folders) = two_nodes();
    folders.put(1, &format!("{SHARED}/a.yaml"), b"first");
    folders.put(1, &format!("{LOCAL}/mine.yaml"), b"mine");
    // As a system whose disk is new.
    lab.server().command_line("two").unwrap().booted().unwrap();
    assert_eq!(
        folders.text(2, &format!("{SHARED}/a.yaml")).as_deref(),
        Some("first")
    );
    assert_eq!(folders.text(2, &format!("{LOCAL}/mine.yaml")), None);
    // What cannot be kept as a text is not given away, and not lost.
    folders.put(1, &format!("{SHARED}/bytes"), b"\xff\xfe");
    for node in ["two", "pve", "two"] {
        let all = ["share:snippets/a.yaml", "share:snippets/bytes"];
        assert_eq!(listed(&lab, node, "share"), all);
    }
    assert!(folders.file(1, &format!("{SHARED}/bytes")).is_some());
    assert!(folders.file(2, &format!("{SHARED}/bytes")).is_none());
}
