//! The lab that is shipped, as `hl new` writes it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use hl::action::builtin;
use hl::diag::{Exit, render};
use hl::lab::{Environment, Lab};
use hl::layers::{Request, Scope, embedded, load};
use hl::plan::StepId;

fn checkout() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_new_lab_is_valid_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().join("my-lab")).unwrap();
    let written = embedded::write(&root).unwrap();
    for file in &written {
        if file.starts_with("layers") || file.starts_with("site") {
            let here = fs::read(checkout().join(file)).unwrap();
            assert_eq!(here, fs::read(root.join(file)).unwrap(), "{file}");
        }
        if fs::read(root.join(file)).unwrap().starts_with(b"#!") {
            assert!(fs::metadata(root.join(file)).unwrap().permissions().mode() & 0o100 != 0);
        }
    }
    let lab = Lab::read(&root).unwrap();
    assert_eq!(lab.config.lab.name, "my-lab");
    let book = load(&lab.paths).unwrap();
    let checked = book.check(&builtin(), &lab.config);
    assert!(checked.is_ok(), "{}", render(&checked.unwrap_err(), false));
    assert_eq!(book.list(), embedded::book().list());
    // Each layer that `hl up` runs has a default.
    assert!(book.layers().iter().all(|layer| layer.default.is_some()));
    let just = fs::read_to_string(root.join("justfile")).unwrap();
    for (_, recipe) in book.recipes().filter(|(_, recipe)| !recipe.private) {
        let name = recipe.name.get_ref();
        assert!(
            just.contains(&format!(
                "\n{name} *args:\n    @{{{{ hl }}}} {name} \"$@\"\n"
            )),
            "{name}"
        );
    }
}

#[test]
fn a_directory_that_holds_something_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(dir.path()).unwrap();
    fs::write(root.join("mine"), "x").unwrap();
    let failure = embedded::write(root).unwrap_err();
    assert_eq!(failure.exit, Exit::CannotWrite);
    assert!(failure.to_string().contains("it holds `mine`"), "{failure}");
    assert_eq!(fs::read_dir(root).unwrap().count(), 1);
    let failure = embedded::write(&root.join("mine")).unwrap_err();
    assert_eq!(failure.exit, Exit::CannotWrite);
    fs::remove_file(root.join("mine")).unwrap();
    assert!(embedded::write(root).is_ok());
}

#[test]
fn nothing_that_git_ignores_is_in_it() {
    let output = Command::new("git")
        .arg("-C")
        .arg(checkout())
        .args([
            "ls-files",
            "-z",
            "--others",
            "--ignored",
            "--exclude-standard",
        ])
        .args(["layers", "site"])
        .output()
        .unwrap();
    assert!(output.status.success());
    let ignored = String::from_utf8(output.stdout).unwrap();
    for (file, _) in embedded::files("x") {
        assert!(
            !ignored.split('\0').any(|name| name == file),
            "{file} is ignored by git"
        );
    }
}

#[test]
fn the_recipe_of_the_manual_works() {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().join("lab")).unwrap();
    embedded::write(&root).unwrap();
    let manual = fs::read_to_string(checkout().join("docs/recipes.md")).unwrap();
    let (_, after) = manual.split_once("```toml\n").unwrap();
    let (block, _) = after.split_once("```").unwrap();
    let file = root.join("layers/l2-instantiate/layer.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\n{block}")).unwrap();
    let lab = Lab::read(&root).unwrap();
    let scope = Scope {
        lab: &lab,
        env: &Environment::default(),
        registry: &builtin(),
    };
    let request = Request {
        recipe: "backup".to_owned(),
        args: ["prod", "--keep", "14"].map(str::to_owned).to_vec(),
    };
    let compiled = load(&lab.paths).unwrap().compile(&request, &scope);
    let compiled = compiled.unwrap_or_else(|failure| panic!("{}", render(&failure, false)));
    let prune = compiled.plan.step(&StepId::from("backup/prune")).unwrap();
    assert_eq!(
        prune.with["argv"],
        serde_json::json!(["find", "backups", "-mtime", "+14", "-delete"])
    );
    assert_eq!(prune.needs, [StepId::from("backup/dump")]);
}
