//! Check, encrypt and decrypt, as a user types them.

use std::fs;

use super::world::{CANARY, SECRETS, World, tool};
use crate::support::Ran;

#[track_caller]
fn silent(ran: &Ran) -> &Ran {
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains(CANARY), "{text}");
    }
    ran
}

#[test]
fn there_and_back_with_the_real_sops() {
    let world = World::clear();
    let own = world.recipient("own");
    let ran = world.hl("site secrets encrypt --age").arg(&own).exits(0);
    silent(&ran).says(&["secrets.yaml.enc", "api_tokens.kestrel", &own]);
    let sealed = world.read("secrets.yaml.enc");
    assert!(sealed.contains("kestrel: ENC[") && !sealed.contains(CANARY));
    // Again: nothing changed, so not one byte does.
    world
        .hl("site secrets encrypt")
        .exits(0)
        .says(&["Unchanged"]);
    assert_eq!(world.read("secrets.yaml.enc"), sealed);
    // A value changed: for whom it was before needs no naming.
    world.write("secrets.yaml", &SECRETS.replace("-site", "-other"));
    let ran = world.hl("site secrets encrypt").exits(0);
    silent(&ran).says(&["auth.site_token", &own]);
    assert!(!ran.stderr.contains("kestrel"));
    let sealed = world.read("secrets.yaml.enc");
    fs::remove_file(world.path("site/secrets.yaml")).unwrap();
    silent(&world.hl("site secrets decrypt").exits(0));
    let clear = world.read("secrets.yaml");
    assert!(clear.contains("site_token: canary-4b1d-other") && clear.contains("# the first one"));
    assert_eq!(world.mode("secrets.yaml"), 0o600);
    assert_eq!(world.mode("secrets.yaml.enc"), 0o644);
    assert_eq!(world.read("secrets.yaml.enc"), sealed);
}

#[test]
fn what_would_be_lost_is_kept_unless_forced() {
    let world = World::sealed();
    world.write("secrets.yaml", &SECRETS.replace("-vault", "-changed"));
    let ran = world.hl("site secrets decrypt").exits(73);
    silent(&ran).says(&["auth.node_tokens.vault1", "--force"]);
    assert!(world.read("secrets.yaml").contains("-changed"));
    silent(&world.hl("site secrets check").exits(0)).says(&["differ in `auth.node_tokens.vault1`"]);
    world.hl("-n site secrets decrypt --force").exits(0);
    assert!(world.read("secrets.yaml").contains("-changed"));
    world.hl("site secrets decrypt --force").exits(0);
    assert!(world.read("secrets.yaml").contains("-vault"));
    // The encrypted one, when nobody here can see what it holds.
    let sealed = world.seal(SECRETS, "other");
    world.write("secrets.yaml.enc", &sealed);
    let ran = world.hl("site secrets encrypt").exits(69);
    silent(&ran).says(&["none of the age keys", "--force"]);
    assert_eq!(world.read("secrets.yaml.enc"), sealed);
}

#[test]
fn rules_of_sops_yaml_are_followed() {
    let world = World::clear();
    let ran = world.hl("site secrets encrypt").exits(65);
    silent(&ran).says(&["no recipient is given", "--age", ".sops.yaml"]);
    let rule = format!(
        "creation_rules:\n  - path_regex: secrets\\.yaml$\n    age: {},{}\n",
        world.recipient("own"),
        world.recipient("other")
    );
    world.write(".sops.yaml", &rule);
    world.hl("site secrets encrypt").exits(0);
    let check = world.hl("site secrets check --json").exits(0).json();
    let files = check["files"].as_array().unwrap();
    assert_eq!(files[1]["recipients"].as_array().unwrap().len(), 2);
    assert_eq!(check["used"], "secrets.yaml");
    world.write(".sops.yaml", "creation_rules: [");
    world.write("secrets.yaml", &SECRETS.replace("-site", "-other"));
    world
        .hl("site secrets encrypt")
        .exits(65)
        .says(&[".sops.yaml` cannot be read"]);
}

/// Each failure is one of its own, says where, and shows no value.
#[test]
fn what_cannot_be_opened_says_why() {
    let world = World::sealed();
    let check = || world.hl("site secrets check");
    let key = |name: &str| world.path(name).to_str().unwrap().to_owned();
    silent(&check().exits(0)).says(&["encrypted by SOPS", "kestrel"]);
    let none = check().without("SOPS_AGE_KEY_FILE").exits(69);
    silent(&none).says(&["no age key here", "keys.txt", "recipient: age1"]);
    let empty = check().env("SOPS_AGE_KEY_FILE", "").exits(69);
    silent(&empty).says(&["no age key here"]);
    let gone = check().env("SOPS_AGE_KEY_FILE", "/nowhere/k").exits(69);
    silent(&gone).says(&["`/nowhere/k` (`SOPS_AGE_KEY_FILE`), which does not exist"]);
    fs::write(world.path("keys/junk.txt"), "canary-4b1d\n").unwrap();
    let junk = check()
        .env("SOPS_AGE_KEY_FILE", key("keys/junk.txt"))
        .exits(69);
    silent(&junk).says(&["junk.txt", "cannot be read as an age key"]);
    let wrong = check()
        .env("SOPS_AGE_KEY_FILE", key("keys/other.txt"))
        .exits(69);
    silent(&wrong).says(&["none of the age keys here opens", "updatekeys"]);
    check().env("SOPS_AGE_KEY_FILE", "../keys/own.txt").exits(0);
    let missing = check().env("PATH", "/nowhere").exits(69);
    silent(&missing).says(&["needs `sops`, which is not on PATH"]);
    // The key in the variable itself, and in the usual file.
    let own = fs::read_to_string(world.path("keys/own.txt")).unwrap();
    let line = own.lines().find(|line| line.starts_with("AGE-")).unwrap();
    let ran = check()
        .without("SOPS_AGE_KEY_FILE")
        .env("SOPS_AGE_KEY", line)
        .exits(0);
    assert!(!ran.stdout.contains("AGE-SECRET") && !ran.stderr.contains("AGE-SECRET"));
    fs::create_dir_all(world.path(".config/sops/age")).unwrap();
    fs::write(world.path(".config/sops/age/keys.txt"), own).unwrap();
    check().without("SOPS_AGE_KEY_FILE").exits(0);
}

#[test]
fn a_file_that_was_tampered_with_fails_closed() {
    let world = World::sealed();
    let sealed = world.read("secrets.yaml.enc");
    let broken = |text: String, parts: &[&str]| {
        assert_ne!(text, sealed);
        world.write("secrets.yaml.enc", &text);
        silent(&world.hl("site secrets check").exits(65)).says(parts);
        silent(&world.hl("site secrets decrypt").exits(65));
        assert!(!world.path("site/secrets.yaml").exists());
    };
    // A value moved to another name keeps its text and not its place.
    broken(sealed.replace("vault1:", "vault2:"), &["damaged"]);
    broken(
        sealed.replace(
            "    site_token: ENC",
            "    site_tokne: x\n    site_token: ENC",
        ),
        &["not encrypted", "secrets.yaml.enc:"],
    );
    let without: String = sealed
        .lines()
        .filter(|line| !line.starts_with("    mac:"))
        .fold(String::new(), |text, line| text + line + "\n");
    broken(without, &["authentication code", "it has no `mac`"]);
    let (values, _) = sealed.split_once("sops:\n").unwrap();
    broken(values.to_owned(), &["no `sops` section"]);
    broken("passwords: [canary-4b1d\n".to_owned(), &["not valid YAML"]);
    broken(SECRETS.to_owned(), &["is not encrypted", "secrets encrypt"]);
    // An empty section: values dropped without anybody who could notice but the MAC.
    let cut = sealed
        .lines()
        .filter(|line| !line.contains("kestrel:"))
        .fold(String::new(), |text, line| text + line + "\n");
    broken(cut, &["changed after it was encrypted"]);
}

#[test]
fn encrypted_in_place_is_opened_and_never_guessed_by_the_first_line() {
    let world = World::new();
    let sealed = world.seal(SECRETS, "own");
    assert!(!sealed.starts_with("sops"));
    world.write("secrets.yaml", &sealed);
    silent(&world.hl("site secrets check").exits(0)).says(&["encrypted by SOPS", "kestrel"]);
    let ran = world.hl("site secrets encrypt").exits(65);
    ran.says(&["is encrypted already"]);
    world
        .hl("site secrets decrypt")
        .exits(65)
        .says(&["encrypted in place"]);
    world.write("secrets.yaml.enc", &sealed);
    world
        .hl("site secrets check")
        .exits(65)
        .says(&["both encrypted"]);
    // A clear file that talks of sops is clear.
    let world = World::new();
    world.write(
        "secrets.yaml",
        &format!("# sops: ENC[AES256_GCM]\n{SECRETS}"),
    );
    world
        .hl("site secrets check")
        .exits(0)
        .says(&["clear text"]);
}

#[test]
fn git_is_asked_what_it_would_take_along() {
    let world = World::clear();
    let site = world.path("site").to_str().unwrap().to_owned();
    let git = |args: &[&str]| {
        let mut all = vec!["-C", &site, "-c", "user.name=x", "-c", "user.email=x@y"];
        all.extend(args);
        tool("git", &all, "")
    };
    git(&["init", "-q"]);
    let check = || silent_check(&world);
    check()
        .1
        .says(&["git does not ignore `secrets.yaml`", "add `/secrets.yaml`"]);
    world.write(".gitignore", "/secrets.yaml\n");
    assert_eq!(check().0, 0);
    git(&["add", "-f", "secrets.yaml"]);
    let (code, ran) = check();
    assert_eq!(code, 65);
    ran.says(&[
        "in clear text and is tracked by git",
        "git rm --cached secrets.yaml",
    ]);
    git(&["commit", "-qm", "x"]);
    // Encrypted now, and in the clear in what was committed.
    world.write("secrets.yaml", &world.seal(SECRETS, "own"));
    git(&["add", "secrets.yaml"]);
    let (code, ran) = check();
    assert_eq!(code, 65);
    ran.says(&["in clear text in git's last commit", "must be changed"]);
    git(&["commit", "-qm", "y"]);
    assert_eq!(check().0, 0);
}

fn silent_check(world: &World) -> (i32, Ran) {
    let ran = world.hl("site secrets check").run();
    silent(&ran);
    (ran.code, ran)
}

#[test]
fn a_clear_file_that_others_can_read_is_warned_about() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::clear();
    let path = world.path("site/secrets.yaml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let (code, ran) = silent_check(&world);
    assert_eq!(code, 0);
    ran.says(&["mode is 0640", "chmod 600 secrets.yaml"]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(!silent_check(&world).1.stderr.contains("chmod"));
    world.write("secrets.yaml", "auth: {site_token: xq9}\n");
    let (code, ran) = silent_check(&world);
    assert_eq!(code, 0);
    ran.says(&["`auth.site_token` is too short to be masked"]);
    assert!(!ran.stderr.contains("xq9") && !ran.stdout.contains("xq9"));
    // A mistake in it shows its line and no value.
    world.write(
        "secrets.yaml",
        "api_tokens:\n  a: canary-4b1d\n  a: canary-4b1d\n",
    );
    let (code, ran) = silent_check(&world);
    assert_eq!(code, 65);
    ran.says(&["secrets.yaml:3:3", "duplicate key"]);
}
