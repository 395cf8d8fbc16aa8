//! A repository with a secret in it is not served, wherever in its history that is; the
//! others are.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::stage::{Stage, TOKEN};

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n-----END OPENSSH PRIVATE KEY-----\n";
const STATE: &str = r#"{"version": 4, "terraform_version": "1.9.0", "serial": 1, "lineage": "l",
"outputs": {"password": {"value": "x", "type": "string", "sensitive": true}}, "resources": []}"#;

/// The lab names these repositories.
fn named(stage: &Stage, names: &[&str]) {
    let mut toml = "[lab]\nname = \"test\"\n[serve.repos]\n".to_owned();
    for name in names {
        let dir = stage.beside.path().join(name);
        writeln!(toml, "{name} = \"{}\"", dir.display()).unwrap();
    }
    stage.lab.write("hl.toml", &toml);
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn a_secret_that_was_reverted_is_still_there() {
    let stage = Stage::new();
    let dir = stage.repository("reverted");
    write(&dir, "a", "a\n");
    stage.commit(&dir, "first");
    write(&dir, "keys/deploy", KEY);
    let bad = stage.commit(&dir, "oops");
    stage.git(&dir, &["revert", "--no-edit", "HEAD"]);
    named(&stage, &["reverted"]);
    let served = stage.serve();
    assert_eq!(served.names(), ["test"], "the others are served");
    let why = served.refused("reverted");
    assert!(
        why.contains("`keys/deploy`") && why.contains("private key"),
        "{why}"
    );
    assert!(why.contains(bad.get(..12).unwrap()), "{why}");
    assert!(!why.contains("b3Blbn"), "{why}");
    let health = served.daemon.get("/health").json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["refused"][0]["why"], why.as_str());
    for path in [
        "HEAD",
        "info/refs",
        "a",
        "keys/deploy",
        "",
        "objects/info/packs",
    ] {
        let answer = served.get(&format!("/reverted.git/{path}"));
        assert_eq!(answer.status, 404, "{path}");
    }
    assert_eq!(served.get("/test.git/hl.toml").status, 200);
    // Taken out of the history, it is served.
    stage.git(&dir, &["reset", "-q", "--hard", "HEAD~2"]);
    served.reload();
    assert_eq!(served.get("/reverted.git/a").text(), "a\n");
    assert_eq!(
        served.daemon.get("/health").json()["refused"],
        serde_json::Value::Null
    );
    // It came back, in a file that nobody committed: the reload finds it too.
    write(&dir, "keys/deploy", KEY);
    served.reload();
    assert_eq!(served.get("/reverted.git/a").status, 404);
    let why = served.daemon.get("/health").text();
    assert!(
        why.contains("`keys/deploy`, which is not committed"),
        "{why}"
    );
}

/// Names are given away like contents.
#[test]
fn a_secret_in_a_name_is_found() {
    const VALUE: &str = "correct-horse-battery";
    let stage = Stage::new();
    stage
        .lab
        .write("state/secrets.env", &format!("ROUTER_PASSWORD={VALUE}\n"));
    let repository = |name: &str| {
        let dir = stage.repository(name);
        write(&dir, "first", "1\n");
        stage.commit(&dir, "first");
        dir
    };
    let dir = repository("branch");
    stage.git(&dir, &["branch", &format!("fix/{VALUE}")]);
    let dir = repository("packed");
    stage.git(&dir, &["branch", VALUE]);
    stage.git(&dir, &["pack-refs", "--all"]);
    let dir = repository("light");
    stage.git(&dir, &["tag", &format!("v1-{VALUE}")]);
    let dir = repository("tagged");
    stage.git(&dir, &["tag", "-a", "v1", "-m", &format!("now {VALUE}")]);
    let dir = repository("message");
    write(&dir, "second", "2\n");
    let message = stage.commit(&dir, &format!("use {VALUE}"));
    let dir = repository("author");
    let mut git = stage.git_command(&dir);
    git.env("GIT_AUTHOR_NAME", VALUE);
    git.args(["commit", "-q", "--allow-empty", "-m", "x"]);
    assert!(git.status().unwrap().success());
    let author = stage.git(&dir, &["rev-parse", "HEAD"]);
    // A file and a directory that are gone, and a file that nobody committed.
    let dir = repository("file");
    write(&dir, &format!("a/{VALUE}.txt"), "x\n");
    let file = stage.commit(&dir, "add");
    stage.git(&dir, &["rm", "-q", "-r", "a"]);
    stage.git(&dir, &["commit", "-q", "-m", "remove"]);
    let dir = repository("directory");
    write(&dir, &format!("{VALUE}/deep/x"), "x\n");
    let directory = stage.commit(&dir, "add");
    stage.git(&dir, &["mv", VALUE, "other"]);
    stage.git(&dir, &["commit", "-q", "-m", "rename"]);
    let dir = repository("uncommitted");
    write(&dir, VALUE, "x\n");
    // What only a merge has.
    let dir = repository("merge");
    stage.git(&dir, &["checkout", "-q", "-b", "side"]);
    write(&dir, "side", "x\n");
    stage.commit(&dir, "side");
    stage.git(&dir, &["checkout", "-q", "main"]);
    write(&dir, "main", "x\n");
    stage.commit(&dir, "main");
    stage.git(&dir, &["merge", "-q", "--no-commit", "side"]);
    write(&dir, VALUE, "x\n");
    let merge = stage.commit(&dir, "merge");
    stage.git(&dir, &["rm", "-q", VALUE]);
    stage.git(&dir, &["commit", "-q", "-m", "remove"]);
    repository("clean");
    let short = |id: &str| id.trim().get(..12).unwrap().to_owned();
    let rows = [
        ("branch", "the name of the branch `fix/(secret)`".to_owned()),
        ("packed", "the name of the branch `(secret)`".to_owned()),
        ("light", "the name of the tag `v1-(secret)`".to_owned()),
        ("tagged", "the message or tagger of the tag `v1`".to_owned()),
        (
            "message",
            format!(
                "the message, author or committer of commit {}",
                short(&message)
            ),
        ),
        (
            "author",
            format!(
                "the message, author or committer of commit {}",
                short(&author)
            ),
        ),
        (
            "file",
            format!("the name of `a/(secret).txt` of commit {}", short(&file)),
        ),
        (
            "directory",
            format!(
                "the name of `(secret)/deep/x` of commit {}",
                short(&directory)
            ),
        ),
        (
            "uncommitted",
            "the name of `(secret)`, which is not committed,".to_owned(),
        ),
        (
            "merge",
            format!("the name of `(secret)` of commit {}", short(&merge)),
        ),
    ];
    let mut names: Vec<&str> = rows.iter().map(|(name, _)| *name).collect();
    names.push("clean");
    named(&stage, &names);
    let served = stage.serve();
    assert_eq!(served.names(), ["clean", "test"]);
    for (name, place) in rows {
        let why = served.refused(name);
        let said = format!("{place} holds a value that is kept secret");
        assert!(why.starts_with(&said), "{name}: {why}");
        assert_eq!(served.get(&format!("/{name}.git/info/refs")).status, 404);
    }
    let health = served.daemon.get("/health").text();
    assert!(!health.contains("horse"), "{health}");
    assert!(!served.daemon.log().contains("horse"));
}

#[test]
fn each_kind_of_secret_is_found() {
    let stage = Stage::new();
    stage.lab.write(
        "state/secrets.env",
        "ROUTER_PASSWORD=correct-horse-battery\n",
    );
    let age = format!("AGE-SECRET-KEY-1{}\n", "Q".repeat(58));
    let encoded = "url: https://u:correct%2Dhorse-battery@h/\nplain: correct-horse-battery\n";
    let sealed =
        "a: ENC[AES256_GCM,data:x,iv:x,tag:x,type:str]\nsops:\n  mac: x\n  version: 3.9.0\n";
    let kinds = [
        ("value", "docs/notes.md", encoded, "kept secret"),
        ("age", "key.txt", age.as_str(), "private key of age"),
        (
            "tofu-state",
            "a/terraform.tfstate",
            STATE,
            "state of OpenTofu",
        ),
        (
            "clear",
            "x/secrets.yaml",
            "auth: {site_token: abc}\n",
            "not encrypted",
        ),
        ("sealed", "x/secrets.yaml", sealed, ""),
        ("plain", "x/other.yaml", "auth: {site_token: abc}\n", ""),
    ];
    let mut commits = Vec::new();
    for (name, path, text, _) in kinds {
        let dir = stage.repository(name);
        write(&dir, "first", "1\n");
        stage.commit(&dir, "first");
        // On a branch that was merged without it.
        stage.git(&dir, &["checkout", "-q", "-b", "side"]);
        write(&dir, path, text);
        commits.push(stage.commit(&dir, "side"));
        stage.git(&dir, &["checkout", "-q", "main"]);
        write(&dir, "second", "2\n");
        stage.commit(&dir, "second");
        stage.git(&dir, &["merge", "-q", "-s", "ours", "--no-edit", "side"]);
        stage.git(&dir, &["branch", "-D", "side"]);
    }
    named(&stage, &kinds.map(|(name, ..)| name));
    let served = stage.serve();
    assert_eq!(served.names(), ["plain", "sealed", "test"]);
    for ((name, path, _, words), commit) in kinds.iter().zip(&commits) {
        if !words.is_empty() {
            let why = served.refused(name);
            let place = format!("`{path}` of commit {}", commit.get(..12).unwrap());
            assert!(why.contains(&place) && why.contains(words), "{name}: {why}");
            assert!(!why.contains("correct-horse"), "{why}");
        }
    }
    assert!(!served.daemon.log().contains("correct-horse"));
    assert!(!served.daemon.log().contains(TOKEN));
}
