//! A lab of another user: no verb reads it, whatever flags, variables and its
//! own files say.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use serde_json::json;

use super::world::{MINE, THEIRS, World, own};

/// Everything that works on a lab.
const VERBS: &[&str] = &[
    "",
    "list",
    "-l",
    "list --json",
    "list --names",
    "show go",
    "env",
    "show go --env",
    "plan go",
    "plan go --json",
    "plan up",
    "up",
    "up --dry-run",
    "up --yes",
    "go",
    "go --yes",
    "go --help",
    "l0",
    "graph go",
    "status",
    "status --history",
    "runs",
    "runs show",
    "runs logs",
    "runs prune --keep 1",
    "resume",
    "resume --explain",
    "replay --from start",
    "templates",
    "templates promote x 20260101-000000",
    "clean",
    "clean --dry-run",
    "access",
    "rehearse go",
    "site where",
    "site check",
    "site list envs",
    "site resolve tofu --env dev --node pve",
    "site init",
    "site secrets check",
    "site node-config",
    "manifest list",
    "manifest check",
    "manifest show m",
    "manifest graph m",
];

#[test]
fn no_verb_runs_anything_of_it() {
    let Some(world) = World::new() else { return };
    for words in VERBS {
        let ran = world.hl("lab", words).exits(77);
        let lab = world.path("lab").display().to_string();
        ran.says(&[
            "is not trusted: nothing in it was read",
            "belongs to uid 4711001, and you are `root` (uid 0)",
            &format!("hl trust {lab}"),
        ]);
        world.nothing_ran(words);
    }
}

#[test]
fn completion_offers_no_recipe_of_it() {
    let Some(world) = World::new() else { return };
    let ask = || {
        let hl = world.hl("lab", "-- hl").arg("");
        let hl = hl.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", "1");
        hl.env("_CLAP_COMPLETE_COMP_TYPE", "9")
            .env("_CLAP_IFS", "\n")
            .exits(0)
            .stdout
    };
    let offered = ask();
    assert!(!offered.lines().any(|line| line == "go"), "{offered}");
    assert!(offered.lines().any(|line| line == "trust"), "{offered}");
    world.nothing_ran("completions");
    world.trust("lab");
    let offered = ask();
    assert!(offered.lines().any(|line| line == "go"), "{offered}");
}

#[test]
fn no_flag_and_no_variable_opens_it() {
    let Some(world) = World::new() else { return };
    let lab = world.path("lab").display().to_string();
    for words in [
        format!("--lab {lab} go"),
        format!("--lab {lab}/hl.toml go --yes"),
        format!("--lab {lab} list"),
    ] {
        world.hl("home", &words).exits(77);
    }
    let hl = || world.hl("lab", "go --yes");
    for (name, value) in [
        ("HL_LAB", lab.as_str()),
        ("HL_YES", "1"),
        ("HL_REHEARSAL", "1"),
        ("HL_TRUST", "1"),
        ("SUDO_UID", "1"),
    ] {
        hl().env(name, value).exits(77);
    }
    world.nothing_ran("go --yes");
}

/// A list that the lab brings along, which would be right.
fn forged(world: &World) -> String {
    let meta = fs::metadata(world.path("lab")).unwrap();
    let dir = world.path("lab/config");
    fs::create_dir_all(dir.join("hl")).unwrap();
    let entry = json!({
        "path": world.path("lab"), "owner": THEIRS, "device": meta.dev(), "inode": meta.ino(),
        "marker_owner": THEIRS, "shared": false, "since": "2026-01-01T00:00:00Z",
    });
    let list = json!({ "version": 1, "trusted": [entry] });
    let file = dir.join("hl/trust.json");
    fs::write(&file, list.to_string()).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    own(&world.path("lab"), THEIRS);
    dir.display().to_string()
}

#[test]
fn a_list_that_the_lab_brings_along_is_not_believed() {
    let Some(world) = World::new() else { return };
    let config = forged(&world);
    let env = world.path("lab/.env");
    fs::write(&env, format!("XDG_CONFIG_HOME={config}\nHOME={config}\n")).unwrap();
    world.hl("lab", "go").exits(77);
    // Not even when the user's own environment leads there.
    world
        .hl("lab", "go")
        .env("XDG_CONFIG_HOME", config.as_str())
        .exits(77)
        .says(&[
            "your list of trusted labs is not used",
            "belongs to uid 4711001",
        ]);
    world.nothing_ran("go");
    // The very same list where only root writes is one.
    let own_config = world.path("home/.config");
    crate::support::lab::copy(&world.path("lab/config"), &own_config);
    let file = own_config.join("hl/trust.json");
    fs::set_permissions(file, Permissions::from_mode(0o600)).unwrap();
    world.hl("lab", "list").exits(0).says(&["go"]);
}

#[test]
fn what_others_can_write_is_not_the_users_own() {
    let Some(world) = World::new() else { return };
    own(&world.path("lab"), 0);
    world.hl("lab", "list").exits(0);
    for (name, mode, who) in [
        ("lab", 0o777, "can be written by everybody"),
        ("lab", 0o1777, "can be written by everybody"),
        ("lab/hl.toml", 0o666, "can be written by everybody"),
        ("lab", 0o775, "can be written by group 4711001"),
        ("lab/hl.toml", 0o664, "can be written by group 4711001"),
    ] {
        let path = world.path(name);
        let was = fs::metadata(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        chown(&path, None, Some(THEIRS)).unwrap();
        let fix = format!("chmod go-w {}", path.display());
        world
            .hl("lab", "go")
            .exits(77)
            .says(&[who, &fix, "hl trust"]);
        fs::set_permissions(&path, was.permissions()).unwrap();
        chown(&path, None, Some(0)).unwrap();
    }
    world.nothing_ran("go");
}

#[test]
fn a_file_of_another_user_in_the_users_own_directory_counts() {
    let Some(world) = World::new() else { return };
    own(&world.path("lab"), 0);
    chown(world.path("lab/hl.toml"), Some(THEIRS), None).unwrap();
    world.hl("lab", "go").exits(77).says(&["lab/hl.toml"]);
    // A link belongs to the one who made it, wherever it leads.
    own(&world.path("lab"), 0);
    fs::rename(world.path("lab/hl.toml"), world.path("lab/mine.toml")).unwrap();
    std::os::unix::fs::symlink("mine.toml", world.path("lab/hl.toml")).unwrap();
    world.hl("lab", "list").exits(0);
    std::os::unix::fs::lchown(world.path("lab/hl.toml"), Some(THEIRS), None).unwrap();
    world.hl("lab", "go").exits(77);
    world.nothing_ran("go");
}

#[test]
fn sudo_lets_root_run_the_callers_own_lab() {
    let Some(world) = World::new() else { return };
    let sudo = |words: &str| world.hl("lab", words).env("SUDO_UID", THEIRS.to_string());
    sudo("list").exits(0).says(&["go"]);
    own(&world.path("lab"), MINE);
    sudo("list").exits(77);
    // Root's list is root's own: not one in the caller's home.
    own(&world.path("home"), THEIRS);
    sudo("trust").exits(77).says(&["sudo -H"]);
    assert!(
        !world.path("home/.config").exists(),
        "nothing of root's is left there"
    );
    own(&world.path("home"), 0);
    sudo("trust").exits(0);
    sudo("list").exits(0);
}

#[test]
fn an_ordinary_user_runs_what_is_its_own_or_roots() {
    let Some(world) = World::new() else { return };
    own(&world.path("home"), MINE);
    let list = |owner: u32| {
        own(&world.path("lab"), owner);
        let mut command = world.hl("lab", "list --names").command();
        let output = command.uid(MINE).gid(MINE).stdin(Stdio::null()).output();
        let Ok(output) = output else {
            eprintln!("skipped: an ordinary user cannot reach the binary");
            return None;
        };
        Some((
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        ))
    };
    for (owner, code) in [(MINE, 0), (0, 0), (THEIRS, 77)] {
        let Some((found, said)) = list(owner) else {
            return;
        };
        assert_eq!(found, Some(code), "lab of {owner}");
        assert_eq!(said == "go\n", code == 0, "{said}");
    }
}

#[test]
fn a_site_config_of_another_user_beside_an_own_lab_is_asked_for_too() {
    let Some(world) = World::new() else { return };
    own(&world.path("lab"), 0);
    let site = world.path("site-config");
    fs::create_dir_all(site.join("nodes")).unwrap();
    own(&site, THEIRS);
    let help = format!("hl trust {}", site.display());
    for words in ["status", "show go", "go", "site check", "site where"] {
        world
            .hl("lab", words)
            .exits(77)
            .says(&["the site-config", "is not trusted", &help]);
    }
    world
        .hl("home", "site where")
        .env("HL_SITE", site.display().to_string())
        .exits(77);
    // A link in the lab leads to it all the same.
    std::os::unix::fs::symlink("../site-config", world.path("lab/site")).unwrap();
    world.hl("lab", "show go").exits(77).says(&[&help]);
    world.nothing_ran("show go");
    world.trust("site-config");
    world.hl("lab", "show go").exits(0);
}
