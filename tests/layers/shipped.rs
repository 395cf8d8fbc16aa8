//! The lab that is shipped, as `hl new` writes it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use camino::{Utf8Path, Utf8PathBuf};
use hl::action::builtin;
use hl::diag::{Exit, render};
use hl::lab::{Environment, Lab, Provenance, Var};
use hl::layers::{Scope, embedded, load};
use hl::plan::StepId;
use hl::runs::{RecipeRequest, RunRequest};

fn checkout() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_new_lab_is_valid_and_whole() {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().join("my-lab")).unwrap();
    let written = embedded::write(&root).unwrap();
    for file in &written {
        if ["layers", "site", "docs"]
            .iter()
            .any(|folder| file.starts_with(folder))
        {
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
    assert!(
        checked.is_ok(),
        "{}",
        render(&checked.unwrap_err(), false, hl::diag::Commands::Live)
    );
    assert_eq!(book.list(), embedded::book().list());
    // Each layer that `hl up` runs has a default.
    assert!(book.layers().iter().all(|layer| layer.default.is_some()));
    let just = fs::read_to_string(root.join("justfile")).unwrap();
    assert!(
        just.contains("\nhl *args:\n    @{{ hl }} \"$@\"\n"),
        "{just}"
    );
    let layers = book.layers().iter().map(|layer| layer.id.get_ref());
    let recipes = book.recipes().filter(|(_, recipe)| !recipe.private);
    for name in layers.chain(recipes.map(|(_, recipe)| recipe.name.get_ref())) {
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

/// A new lab with the block of `docs/recipes.md` below `heading` in its L2 file.
fn with_block_of_the_manual(root: &Utf8Path, heading: &str) -> Lab {
    embedded::write(root).unwrap();
    let manual = fs::read_to_string(root.join("docs/recipes.md")).unwrap();
    let (_, below) = manual.split_once(heading).unwrap();
    let (_, after) = below.split_once("```toml\n").unwrap();
    let (block, _) = after.split_once("```").unwrap();
    let file = root.join("layers/l2-instantiate/layer.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}\n{block}")).unwrap();
    Lab::read(root).unwrap()
}

#[test]
fn the_recipe_of_the_manual_works() {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().join("lab")).unwrap();
    let lab = with_block_of_the_manual(&root, "# Writing recipes");
    let scope = Scope {
        lab: &lab,
        env: &Environment::default(),
        registry: &builtin(),
    };
    let request = RunRequest::Recipe(RecipeRequest {
        name: "backup".to_owned(),
        args: ["prod", "--keep", "14"].map(str::to_owned).to_vec(),
    });
    let compiled = load(&lab.paths).unwrap().compile(&request, &scope);
    let compiled = compiled
        .unwrap_or_else(|failure| panic!("{}", render(&failure, false, hl::diag::Commands::Live)));
    let prune = compiled.plan.step(&StepId::from("backup/prune")).unwrap();
    assert_eq!(
        prune.with["argv"],
        serde_json::json!(["find", "backups", "-mtime", "+14", "-delete"])
    );
    assert_eq!(prune.needs, [StepId::from("backup/dump")]);
}

#[test]
fn the_playbook_of_the_manual_waits_for_its_hosts_first() {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().join("lab")).unwrap();
    let lab = with_block_of_the_manual(&root, "## A playbook of your own");
    let node = Var {
        value: "pve".to_owned(),
        from: Provenance::Process,
        secret: false,
    };
    let env = Environment::new([("PVE_NODE".to_owned(), node)].into());
    let scope = Scope {
        lab: &lab,
        env: &env,
        registry: &builtin(),
    };
    let request = RunRequest::Recipe(RecipeRequest {
        name: "l4-metrics".to_owned(),
        args: vec!["stage".to_owned()],
    });
    let book = load(&lab.paths).unwrap();
    let checked = book.check(&builtin(), &lab.config);
    assert!(
        checked.is_ok(),
        "{}",
        render(&checked.unwrap_err(), false, hl::diag::Commands::Live)
    );
    let compiled = book.compile(&request, &scope);
    let plan = compiled
        .unwrap_or_else(|failure| panic!("{}", render(&failure, false, hl::diag::Commands::Live)))
        .plan;
    let actions: Vec<&str> = plan.steps.iter().map(|step| step.action.as_str()).collect();
    let wanted = [
        "tofu.outputs",
        "ansible.inventory",
        "ssh.wait",
        "ansible.playbook",
    ];
    assert_eq!(actions, wanted);
    let playbook = &plan.steps[3];
    assert!(
        playbook.needs.contains(&plan.steps[2].id),
        "{:?}",
        playbook.needs
    );
    assert_eq!(
        playbook.with["playbook"],
        "layers/l2-instantiate/ansible/metrics.yml"
    );
}

/// `docs/...` in comments, and every link of a page with its anchor.
fn dangling(root: &Utf8Path, files: &[Utf8PathBuf]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files {
        let Ok(text) = fs::read_to_string(root.join(file)) else {
            continue;
        };
        let of_a_name = |c: char| c.is_alphanumeric() || "/._-".contains(c);
        for (at, _) in text.match_indices("docs/") {
            let (before, rest) = text.split_at(at);
            let before = before.chars().next_back();
            let page = rest.split(|c| !of_a_name(c)).next().unwrap();
            let page = page.trim_end_matches('.');
            if !before.is_some_and(of_a_name) && !root.join(page).exists() {
                wrong.push(format!("{file} names {page}"));
            }
        }
        if file.extension() != Some("md") {
            continue;
        }
        for target in text.split("](").skip(1) {
            let target = target.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (page, anchor) = target.split_once('#').unwrap_or((target, ""));
            let page = if page.is_empty() {
                root.join(file)
            } else {
                root.join(file).parent().unwrap().join(page)
            };
            let there = fs::read_to_string(&page).unwrap_or_default();
            let known = anchor.is_empty() || headings(&there).any(|heading| heading == anchor);
            if !page.exists() || !known {
                wrong.push(format!("{file} links to {target}"));
            }
        }
    }
    wrong
}

/// Headings as the anchors that pages get from them.
fn headings(page: &str) -> impl Iterator<Item = String> {
    let titles = page.lines().filter(|line| line.starts_with('#'));
    titles.map(|line| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let plain = title
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        plain.collect::<String>().replace(' ', "-")
    })
}

#[test]
fn every_page_that_is_named_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let root = Utf8PathBuf::from_path_buf(dir.path().join("lab")).unwrap();
    let written = embedded::write(&root).unwrap();
    assert_eq!(dangling(&root, &written), [""; 0], "in a new lab");
    let listed = Command::new("git")
        .arg("-C")
        .arg(checkout())
        .args([
            "ls-files",
            "-z",
            "*.md",
            "layers",
            "site",
            "hl.toml",
            "env.example",
        ])
        .output()
        .unwrap();
    let files = String::from_utf8(listed.stdout).unwrap();
    let files: Vec<Utf8PathBuf> = files
        .split_terminator('\0')
        .map(Utf8PathBuf::from)
        .collect();
    assert!(files.len() > 40, "{files:?}");
    assert_eq!(dangling(checkout(), &files), [""; 0], "in the repository");
}
