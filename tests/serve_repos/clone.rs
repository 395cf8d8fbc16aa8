//! A clone is the work tree as it is, and the checkout that it comes from does not notice.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::stage::{Stage, files, said};

/// Names that a program easily gets wrong.
const ODD_NAMES: [&[u8]; 6] = [
    b"with space.txt",
    b"qu\"ote\\back",
    b"line\nbreak",
    b"caf\xe9.latin1",
    "caf\u{e9}.utf8".as_bytes(),
    b"-dash",
];

/// A repository with all that can be in a work tree.
fn busy(stage: &Stage, dir: &Path) {
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write(".gitattributes", "* text=auto\n*.up filter=up diff=up\n");
    write(".gitignore", "*.log\n/state/\nbuild/\n");
    write("play/site.yml", "- hosts: all\n");
    write("play/old.yml", "- hosts: old\n");
    write("changed", "before\n");
    write("staged", "before\n");
    write("windows.txt", "one\r\ntwo\r\n");
    write("mixed.up", "$Id$\r\nlower\n");
    write("becomes-a-dir", "file\n");
    write("tool", "#!/bin/sh\n");
    write("empty", "");
    stage.commit(dir, "first");
    write("second", "2\n");
    stage.commit(dir, "second");
    stage.git(dir, &["tag", "-a", "v1", "-m", "one"]);
    stage.git(dir, &["branch", "feature/x"]);
    // What is stashed is nobody's business.
    write("stashed", "stashed\n");
    stage.git(dir, &["stash", "push", "-q", "-u"]);

    fs::remove_file(dir.join("play/old.yml")).unwrap();
    fs::remove_file(dir.join("becomes-a-dir")).unwrap();
    write("becomes-a-dir/file", "inside\n");
    write("changed", "after\n");
    write("staged", "staged\n");
    stage.git(dir, &["add", "staged"]);
    write("staged", "and changed again\n");
    write("added", "added\n");
    stage.git(dir, &["add", "added"]);
    write("forced.log", "known to git though ignored\n");
    stage.git(dir, &["add", "-f", "forced.log"]);
    write("untracked/deep/file", "untracked\n");
    write("new-windows.txt", "a\r\nb\r\n");
    let tool = fs::Permissions::from_mode(0o755);
    fs::set_permissions(dir.join("tool"), tool).unwrap();
    symlink("play/site.yml", dir.join("link")).unwrap();
    symlink("/etc/passwd", dir.join("outside")).unwrap();
    for name in ODD_NAMES {
        fs::write(dir.join(OsStr::from_bytes(name)), name).unwrap();
    }
    fs::write(dir.join("binary"), (0..=255).collect::<Vec<u8>>()).unwrap();
}

/// What a checkout is, for those who work in it.
fn state(stage: &Stage, dir: &Path) -> (String, Vec<u8>, String, String) {
    (
        stage.git(dir, &["status", "--porcelain", "-z"]),
        fs::read(dir.join(".git/index")).unwrap(),
        stage.git(dir, &["for-each-ref"]),
        stage.git(dir, &["symbolic-ref", "HEAD"]),
    )
}

#[test]
fn a_clone_is_the_work_tree_byte_by_byte() {
    let stage = Stage::new();
    let lab = stage.lab.root();
    busy(&stage, lab);
    let before = state(&stage, lab);
    let expected = files(lab);
    // Ignored in three ways.
    for (name, file) in [
        ("noise.log", ""),
        ("private.note", ".git/info/exclude"),
        ("mine.swp", "git-ignore"),
        ("build/out", ""),
    ] {
        stage.lab.write(name, "ignored\n");
        match file {
            "" => {}
            "git-ignore" => {
                let dir = stage.beside.path().join(".config/git");
                fs::create_dir_all(&dir).unwrap();
                fs::write(dir.join("ignore"), "*.swp\n").unwrap();
            }
            _ => fs::write(stage.lab.path(file), "private.note\n").unwrap(),
        }
    }
    let served = stage.serve();
    assert_eq!(served.names(), ["test"]);
    assert_eq!(state(&stage, lab), before, "the checkout is as it was");
    let clone = stage.clone(&served, "test", "clone");
    assert_eq!(files(&clone), expected);
    let branch = stage.git(&clone, &["branch", "--show-current"]);
    assert_eq!(branch.trim(), "_working");
    assert_eq!(stage.git(&clone, &["status", "--porcelain"]), "");
    let parent = stage.git(
        &clone,
        &["rev-parse", "HEAD^", "origin/main", "v1^{commit}"],
    );
    let parents: Vec<&str> = parent.lines().collect();
    assert_eq!(parents, [parents[0]; 3]);
    let all = stage.git(&clone, &["for-each-ref", "--format=%(refname)"]);
    assert!(all.contains("refs/remotes/origin/feature/x") && !all.contains("stash"));
    stage.git(&clone, &["fsck", "--full", "--strict"]);
    let log = stage.git(&clone, &["log", "--all", "--format=%s"]);
    assert!(!log.contains("WIP") && !log.contains("index on"), "{log}");
    assert_eq!(state(&stage, lab), before, "the checkout is as it was");
}

#[test]
fn a_fetch_after_a_reload_gets_what_changed_and_nothing_else_does() {
    let stage = Stage::new();
    stage.lab.write("a", "1\n").write("gone", "x\n");
    let first = stage.commit(stage.lab.root(), "first");
    let served = stage.serve();
    let clone = stage.clone(&served, "test", "clone");
    // Nothing is uncommitted: no commit is made.
    assert_eq!(stage.git(&clone, &["rev-parse", "HEAD"]).trim(), first);
    let packs = served.get("/test.git/objects/info/packs").text();
    served.reload();
    let again = served.get("/test.git/objects/info/packs").text();
    assert_eq!(again, packs, "what is as it was stays as it was");

    stage.lab.write("a", "2\n");
    stage.commit(stage.lab.root(), "second");
    stage.lab.write("b", "new\n");
    fs::remove_file(stage.lab.path("gone")).unwrap();
    assert_eq!(served.get("/test.git/gone").status, 200, "not yet reloaded");
    served.reload();
    assert_eq!(served.get("/test.git/gone").status, 404);
    let fetch = |args: &[&str]| {
        let output = served
            .client(&mut stage.git_command(&clone))
            .args(args)
            .output()
            .unwrap();
        said(&output, "git fetch");
    };
    fetch(&["fetch", "-q"]);
    stage.git(&clone, &["reset", "-q", "--hard", "origin/_working"]);
    assert_eq!(files(&clone), files(stage.lab.root()));
    // A shallow checkout of one branch is what installers do.
    fetch(&["ls-remote", "--exit-code", "origin", "refs/heads/main"]);
}

#[test]
fn a_repository_without_a_commit_and_one_of_sha256_are_served() {
    let stage = Stage::new();
    let new = stage.beside.path().join("wide");
    fs::create_dir(&new).unwrap();
    stage.git(&new, &["init", "-q", "--object-format=sha256"]);
    fs::write(new.join("a"), "committed\n").unwrap();
    stage.commit(&new, "first");
    fs::write(new.join("b"), "not committed\n").unwrap();
    let toml = format!(
        "[lab]\nname = \"test\"\n[serve.repos]\nwide = \"{}\"\n",
        new.display()
    );
    stage.lab.write("hl.toml", &toml);
    let served = stage.serve();
    assert_eq!(served.names(), ["test", "wide"]);
    let clone = stage.clone(&served, "test", "clone");
    assert_eq!(files(&clone), files(stage.lab.root()));
    // git's own dumb client does not know SHA-256 over HTTP in every version.
    assert_eq!(served.get("/wide.git/b").text(), "not committed\n");
    let refs = served.get("/wide.git/info/refs").text();
    let (id, name) = refs.lines().next().unwrap().split_once('\t').unwrap();
    assert_eq!((id.len(), name), (64, "refs/heads/_working"));
}
