//! Whatever a repository's own settings name, the controller runs none of it.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::stage::Stage;

/// Settings of git that run a program in one or another command.
const RUNS: &[&str] = &[
    "core.fsmonitor",
    "core.sshCommand",
    "core.pager",
    "core.editor",
    "core.askPass",
    "core.gitProxy",
    "core.alternateRefsCommand",
    "diff.external",
    "diff.evil.command",
    "diff.evil.textconv",
    "filter.evil.clean",
    "filter.evil.smudge",
    "filter.evil.process",
    "merge.evil.driver",
    "credential.helper",
    "gpg.program",
    "uploadpack.packObjectsHook",
    "remote.origin.uploadpack",
    "trailer.x.command",
    "alias.ls-files",
    "alias.repack",
];

#[test]
fn nothing_that_a_repository_names_is_run() {
    let stage = Stage::new();
    let lab = stage.lab.root();
    stage
        .lab
        .write("a", "a\n")
        .write(".gitattributes", "* filter=evil diff=evil merge=evil\n");
    stage.commit(lab, "first");
    stage.lab.write("a", "changed\n").write("new", "new\n");
    let (ran, evil) = (
        stage.beside.path().join("ran"),
        stage.beside.path().join("evil"),
    );
    let script = format!("#!/bin/sh\necho \"$0 $*\" >> {}\ncat\n", ran.display());
    fs::write(&evil, script).unwrap();
    fs::set_permissions(&evil, fs::Permissions::from_mode(0o755)).unwrap();
    let evil = evil.display().to_string();
    let mut included = String::new();
    for name in RUNS {
        let (section, key) = name.rsplit_once('.').unwrap();
        let section = match section.split_once('.') {
            Some((section, sub)) => format!("{section} \"{sub}\""),
            None => section.to_owned(),
        };
        let value = if section == "alias" {
            format!("!{evil}")
        } else {
            evil.clone()
        };
        writeln!(included, "[{section}]\n\t{key} = {value}").unwrap();
    }
    included.push_str("[filter \"evil\"]\n\trequired = true\n[extensions]\n\tpartialClone = origin\n[protocol \"ext\"]\n\tallow = always\n");
    writeln!(
        included,
        "[remote \"origin\"]\n\turl = ext::{evil}\n\tpromisor = true"
    )
    .unwrap();
    stage.lab.write(".git/included", &included);
    let config = fs::read_to_string(lab.join(".git/config")).unwrap();
    let hooks = format!(
        "{config}[include]\n\tpath = included\n[core]\n\thooksPath = hooks\n\tworktree = /\n"
    );
    for at in ["config", "config.worktree"] {
        fs::write(lab.join(".git").join(at), &hooks).unwrap();
    }
    for hook in [
        "post-index-change",
        "post-checkout",
        "reference-transaction",
        "post-update",
        "pre-auto-gc",
        "post-rewrite",
        "fsmonitor-watchman",
    ] {
        fs::create_dir_all(lab.join("hooks")).unwrap();
        fs::create_dir_all(lab.join(".git/hooks")).unwrap();
        for dir in ["hooks", ".git/hooks"] {
            symlink(&evil, lab.join(dir).join(hook)).unwrap();
        }
    }
    // A repository inside, which has the same settings.
    stage.lab.write("inner/file", "x\n");
    stage.git(&lab.join("inner"), &["init", "-q"]);
    fs::copy(lab.join(".git/included"), lab.join("inner/.git/config")).unwrap();

    let served = stage.serve();
    assert_eq!(served.names(), ["test"]);
    let clone = stage.clone(&served, "test", "clone");
    assert_eq!(fs::read_to_string(clone.join("a")).unwrap(), "changed\n");
    assert_eq!(fs::read_to_string(clone.join("new")).unwrap(), "new\n");
    assert!(!clone.join("inner").exists());
    served.reload();
    assert_eq!(served.get("/test.git/new").text(), "new\n");
    assert!(!ran.exists(), "{}", fs::read_to_string(&ran).unwrap());
}

#[test]
fn objects_of_another_repository_are_not_served() {
    let stage = Stage::new();
    let other = stage.repository("other");
    fs::write(other.join("private"), "private\n").unwrap();
    stage.commit(&other, "private");
    stage.lab.write("a", "a\n");
    stage.commit(stage.lab.root(), "first");
    let objects = format!("{}\n", other.join(".git/objects").display());
    stage.lab.write(".git/objects/info/alternates", &objects);
    let served = stage.serve();
    assert_eq!(served.names(), [""; 0]);
    assert!(served.refused("test").contains("alternates"));
    fs::remove_file(stage.lab.path(".git/objects/info/alternates")).unwrap();
    served.reload();
    assert_eq!(served.get("/test.git/a").status, 200);
}

#[test]
fn a_link_in_the_place_of_a_directory_leads_nowhere() {
    let stage = Stage::new();
    stage.lab.write("dir/secret", "own\n").write("a", "a\n");
    stage.commit(stage.lab.root(), "first");
    let outside = stage.beside.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "not ours\n").unwrap();
    fs::remove_dir_all(stage.lab.path("dir")).unwrap();
    symlink(&outside, stage.lab.path("dir")).unwrap();
    let served = stage.serve();
    assert_eq!(served.get("/test.git/dir/secret").status, 404);
    let link = served.get("/test.git/dir");
    assert_eq!(link.text(), outside.display().to_string());
    assert_eq!(served.get("/test.git/a").text(), "a\n");
}
