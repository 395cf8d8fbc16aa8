//! Which repositories are served, and which are not.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::stage::Stage;

#[test]
fn what_is_named_is_served_and_no_neighbour() {
    let stage = Stage::new();
    for name in ["named", "repos/ansible", "repos/other", "repos/packer"] {
        let dir = stage.repository(name);
        fs::write(dir.join("me"), name).unwrap();
    }
    fs::create_dir_all(stage.beside.path().join("repos/tofu")).unwrap();
    stage.repository("lost");
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(stage.beside.path().join("lost"), open).unwrap();
    let beside = stage.beside.path().display();
    let toml = format!(
        "[lab]\nname = \"My Lab\"\n[serve.repos]\nown = \"{beside}/named\"\nlost = \"{beside}/lost\"\nnone = \"{beside}/none\"\n"
    );
    stage.lab.write("hl.toml", &toml);
    let flags = format!("--repos-dir {beside}/repos --exclude packer");
    let served = stage.serve_with(&flags);
    assert_eq!(served.names(), ["ansible", "my-lab", "own"]);
    assert_eq!(served.get("/own.git/me").text(), "named");
    assert_eq!(served.get("/ansible.git/me").text(), "repos/ansible");
    for name in ["other", "packer", "named", "tofu", "lost"] {
        assert_eq!(served.get(&format!("/{name}.git/me")).status, 404, "{name}");
    }
    assert!(served.refused("tofu").contains("no git repository"));
    assert!(served.refused("lost").contains("written by everybody"));
    assert!(served.refused("none").contains("cannot look at"));
    let wrong = stage.hl("serve --bind 127.0.0.1 --port 0 --exclude ansibel");
    wrong.exits(2).says(&["ansibel", "did you mean `ansible`?"]);
}

#[test]
fn a_work_tree_is_served_and_a_submodule_says_why_it_is_not() {
    let stage = Stage::new();
    let main = stage.repository("main");
    fs::write(main.join("a"), "main\n").unwrap();
    stage.commit(&main, "first");
    let side = stage.beside.path().join("side");
    stage.git(
        &main,
        &[
            "worktree",
            "add",
            "-q",
            "-b",
            "side",
            side.to_str().unwrap(),
        ],
    );
    fs::write(side.join("a"), "side\n").unwrap();
    let allow = [
        "-c",
        "protocol.file.allow=always",
        "submodule",
        "--quiet",
        "add",
    ];
    let outer = stage.repository("outer");
    let from = [main.to_str().unwrap(), "inner"];
    stage.git(&outer, &[&allow[..], &from[..]].concat());
    stage.commit(&outer, "with a submodule");
    let toml = format!(
        "[lab]\nname = \"test\"\n[serve.repos]\nside = \"{0}/side\"\nouter = \"{0}/outer\"\ninner = \"{0}/outer/inner\"\n",
        stage.beside.path().display()
    );
    stage.lab.write("hl.toml", &toml);
    let served = stage.serve();
    assert_eq!(served.names(), ["outer", "side", "test"]);
    assert_eq!(served.get("/side.git/a").text(), "side\n");
    assert!(served.refused("inner").contains("submodule"));
    let clone = stage.clone(&served, "outer", "clone");
    let tree = stage.git(&clone, &["ls-tree", "HEAD", "inner"]);
    assert!(tree.starts_with("160000 commit"), "{tree}");
    let clone = stage.clone(&served, "side", "side-clone");
    assert_eq!(fs::read_to_string(clone.join("a")).unwrap(), "side\n");
}

#[test]
fn a_shallow_clone_is_refused_with_the_remedy() {
    let stage = Stage::new();
    let full = stage.repository("full");
    for text in ["1\n", "2\n"] {
        fs::write(full.join("a"), text).unwrap();
        stage.commit(&full, text);
    }
    let url = format!("file://{}", full.display());
    stage.git(
        stage.beside.path(),
        &["clone", "-q", "--depth=1", &url, "shallow"],
    );
    let toml = format!(
        "[lab]\nname = \"test\"\n[serve.repos]\nshallow = \"{}/shallow\"\n",
        stage.beside.path().display()
    );
    stage.lab.write("hl.toml", &toml);
    let served = stage.serve();
    assert!(served.refused("shallow").contains("--unshallow"));
}

#[test]
fn a_lab_that_is_no_repository_is_said_and_the_rest_is_served() {
    let stage = Stage::new();
    fs::remove_dir_all(stage.lab.path(".git")).unwrap();
    let own = stage.repository("own");
    fs::write(own.join("me"), "own").unwrap();
    let toml = format!(
        "[lab]\nname = \"test\"\n[serve.repos]\nown = \"{}\"\n",
        own.display()
    );
    stage.lab.write("hl.toml", &toml);
    let served = stage.serve();
    assert_eq!(served.names(), ["own"]);
    let why = served.refused("test");
    let init = format!("git -C {} init", stage.lab.root().display());
    for part in ["no git repository", &init, "--exclude"] {
        assert!(why.contains(part), "`{part}` is not in {why}");
    }
    let health = served.daemon.get("/health").json();
    assert_eq!(
        (&health["status"], &health["refused"][0]["name"]),
        (&"ok".into(), &"test".into())
    );
    let status = format!("serve status --port {}", served.daemon.port());
    stage.hl(&status).exits(0).says(&["`test` is not served"]);
    assert_eq!(served.get("/own.git/me").text(), "own");
    // The remedy is one, and `--exclude` the other.
    stage.git(stage.lab.root(), &["init", "-q", "-b", "main"]);
    served.reload();
    assert_eq!(served.get("/test.git/hl.toml").text(), toml);
    assert_eq!(
        served.daemon.get("/health").json(),
        serde_json::json!({"status": "ok"})
    );
    fs::remove_dir_all(stage.lab.path(".git")).unwrap();
    let served = stage.serve_with("--exclude test");
    assert_eq!(served.daemon.started["refused"], serde_json::Value::Null);
}
