//! `hl clean`: what goes, what stays, and that it really does.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use camino::Utf8PathBuf;
use hl::action::{Captured, ChildOutcome, ChildSpec, Exec, Line, StepContext};
use hl::base::Cancel;
use hl::diag::StepError;
use hl::layers::clean::{Clean, plan, scan};

use super::fixture::{Fixture, layer};

const FULL: &str = r#"{"version": 4, "resources": [{"mode": "managed", "type": "vm", "name": "vm",
    "instances": [{"attributes": {"name": "web"}}, {"attributes": {"name": "db"}}]}]}"#;
const EMPTY: &str = r#"{"version": 4, "resources": []}"#;

/// A lab after some runs.
fn used() -> Fixture {
    let text = layer("generates = [\"out/*\", \".build/l2\"]\n[[recipe]]\nname = \"l2-destroy\"\n");
    let fixture = Fixture::new(&[("l2-b", &text)]);
    let files = [
        "hl.toml",
        ".env",
        ".env.local",
        "site/envs/dev-x.yaml",
        "state/proxmox.env",
        "state/secrets.env",
        "state/known_hosts",
        "state/lock",
        "state/legacy/deployment-state.yaml",
        "state/runtime.yaml",
        "state/runs/20260101-000000-abcd.yaml",
        "state/runs/latest.env",
        "state/logs/20260101-000000-abcd/l2-apply.log",
        "state/cache/templates/x",
        "state/rehearsal/state/known_hosts",
        "state/rehearsal/sim/guests/web/etc/.env",
        "reports/20260101-000000.passed.json",
        ".build/l2/dev-x-pve/main.tf",
        ".build/ca.pem",
        "out/a",
        "out/b",
        "templates/debian-13/artifacts/vm-template-20260101-000000.json",
        "templates/debian-13/image.lock",
        "templates/debian-13/notes.txt",
        "layers/l2-b/tofu/vms/.terraform/providers/x",
        "layers/l3-c/ansible/__pycache__/x.pyc",
        "layers/l9-mine/README.md",
        "target/debug/hl",
        ".states/dev-x-pve/data/terraform.tfstate",
    ];
    for file in files {
        write(&fixture, file, "x");
    }
    write(&fixture, ".states/dev-x-pve/data/terraform.tfstate", EMPTY);
    write(&fixture, ".states/dev-x-pve/terraform.tfstate", FULL);
    write(
        &fixture,
        ".states/dev-x-pve/terraform.tfstate.backup",
        EMPTY,
    );
    write(&fixture, ".states/old-pve/terraform.tfstate", EMPTY);
    write(&fixture, ".states/old-pve/terraform.tfstate.backup", FULL);
    write(
        &fixture,
        "state/rehearsal/.states/dev-pve/terraform.tfstate",
        FULL,
    );
    let spec = root(&fixture).join("templates/debian-13/spec");
    fs::create_dir_all(&spec).unwrap();
    symlink(
        "../artifacts/vm-template-20260101-000000.json",
        spec.join("vm-template-stable.json"),
    )
    .unwrap();
    fixture
}

fn root(fixture: &Fixture) -> Utf8PathBuf {
    fixture.lab.paths.root().to_owned()
}

fn write(fixture: &Fixture, file: &str, text: &str) {
    let path = root(fixture).join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn git(fixture: &Fixture, args: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(root(fixture))
        .args(["-c", "user.name=t", "-c", "user.email=t@localhost"])
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// With the history of runs.
fn look(fixture: &Fixture) -> Clean {
    scan(&fixture.lab, Some(&fixture.load().unwrap()), true).unwrap()
}

fn shown(clean: &Clean) -> String {
    let remove = clean
        .remove
        .iter()
        .map(|removal| format!("- {}", removal.path));
    let keep = clean.keep.iter().map(|kept| {
        let help = kept
            .help
            .as_ref()
            .map_or(String::new(), |help| format!(" [{help}]"));
        format!("  {}: {}{help}", kept.path, kept.reason)
    });
    remove.chain(keep).collect::<Vec<_>>().join("\n")
}

/// Runs no child.
struct NoChildren;

impl Exec for NoChildren {
    fn run(
        &self,
        child: &ChildSpec,
        _: &mut dyn FnMut(Line<'_>),
    ) -> Result<ChildOutcome, StepError> {
        Err(StepError::new(format!("`{}` was to be run", child.program)))
    }
    fn capture(&self, child: &ChildSpec) -> Result<Captured, StepError> {
        Err(StepError::new(format!("`{}` was to be run", child.program)))
    }
}

/// Runs the plan's one step, or previews it.
fn carry_out(
    fixture: &Fixture,
    clean: &Clean,
    dry_run: bool,
) -> Result<hl::action::Done, StepError> {
    let plan = plan(clean);
    assert_eq!(plan.steps.len(), 1);
    let step = &plan.steps[0];
    let ctx = StepContext {
        lab: &fixture.lab,
        env: &fixture.env,
        step,
        with: serde_json::Value::Object(step.with.clone()),
        run_id: "test",
        work: fixture.lab.paths.logs("test"),
        dry_run,
        exec: &NoChildren,
        emit: &|_| {},
        cancel: &Cancel::default(),
    };
    let registry = hl::action::builtin();
    let action = registry.get("clean.remove").unwrap();
    if dry_run {
        action.preview(&ctx)
    } else {
        action.run(&ctx)
    }
}

fn tree(fixture: &Fixture) -> Vec<String> {
    let output = Command::new("find")
        .arg(root(fixture))
        .args([
            "-mindepth",
            "1",
            "-not",
            "-path",
            "*/.git/*",
            "-not",
            "-type",
            "d",
            "-printf",
            "%P\\n",
        ])
        .output()
        .unwrap();
    let mut files: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    files.sort();
    files
}

#[test]
fn without_git_only_what_runs_made_goes() {
    let fixture = used();
    let clean = look(&fixture);
    insta::assert_snapshot!(shown(&clean), @r#"
    - .build
    - .states/dev-x-pve/data
    - .states/old-pve
    - layers/l2-b/tofu/vms/.terraform
    - layers/l3-c/ansible/__pycache__
    - out/a
    - out/b
    - reports
    - state/cache
    - state/logs
    - state/rehearsal
    - state/runs
    - state/runtime.yaml
    - templates/debian-13/artifacts
    - templates/debian-13/spec
      .env: environment
      .env.local: environment
      .states/dev-x-pve/terraform.tfstate: holds 2 resources: web, db [hl l2-destroy dev-x --node pve]
      .states/dev-x-pve/terraform.tfstate.backup: holds 2 resources: web, db [hl l2-destroy dev-x --node pve]
      state/known_hosts: host keys of virtual machines
      state/legacy: kept from an older layout
      state/lock: the lab's lock
      state/proxmox.env: environment
      state/secrets.env: environment
      templates/debian-13/image.lock: the image that was fetched and verified
    "#);
    let before = tree(&fixture);
    let preview = carry_out(&fixture, &clean, true).unwrap();
    let said = format!("would remove {} paths", clean.remove.len());
    assert!(preview.summary.starts_with(&said), "{}", preview.summary);
    assert_eq!(tree(&fixture), before);
    let done = carry_out(&fixture, &clean, false).unwrap();
    assert_eq!(done.changed, Some(true));
    insta::assert_snapshot!(tree(&fixture).join("\n"), @r#"
    .env
    .env.local
    .states/dev-x-pve/terraform.tfstate
    .states/dev-x-pve/terraform.tfstate.backup
    hl.toml
    layers/l2-b/layer.toml
    layers/l9-mine/README.md
    site/envs/dev-x.yaml
    state/known_hosts
    state/legacy/deployment-state.yaml
    state/lock
    state/proxmox.env
    state/secrets.env
    target/debug/hl
    templates/debian-13/image.lock
    templates/debian-13/notes.txt
    "#);
    // Empty directories are gone, others are not.
    assert!(!root(&fixture).join("reports").exists());
    assert!(!root(&fixture).join(".states/old-pve").exists());
    assert!(root(&fixture).join("target").exists());
    // Again: there is nothing to do.
    let again = look(&fixture);
    assert_eq!(again.remove, []);
    assert!(
        carry_out(&fixture, &again, false)
            .unwrap()
            .instead
            .is_some()
    );
}

#[test]
fn with_git_all_that_stays_is_tracked_or_named() {
    let fixture = used();
    write(
        &fixture,
        "templates/debian-13/artifacts/committed.json",
        "x",
    );
    write(&fixture, ".gitignore", "/target\n/state/\n.terraform/\n");
    git(&fixture, &["init", "-q"]);
    git(
        &fixture,
        &[
            "add",
            "hl.toml",
            "site",
            "layers/l2-b/layer.toml",
            ".gitignore",
            "templates/debian-13/artifacts/committed.json",
        ],
    );
    git(&fixture, &["commit", "-qm", "x"]);
    let clean = look(&fixture);
    insta::assert_snapshot!(shown(&clean), @r#"
    - .build
    - .states/dev-x-pve/data
    - .states/old-pve
    - layers/l2-b/tofu/vms/.terraform
    - layers/l3-c/ansible/__pycache__
    - out/a
    - out/b
    - reports
    - state/cache
    - state/logs
    - state/rehearsal
    - state/runs
    - state/runtime.yaml
    - templates/debian-13/artifacts/vm-template-20260101-000000.json
    - templates/debian-13/spec
      .env: environment
      .env.local: environment
      .states/dev-x-pve/terraform.tfstate: holds 2 resources: web, db [hl l2-destroy dev-x --node pve]
      .states/dev-x-pve/terraform.tfstate.backup: holds 2 resources: web, db [hl l2-destroy dev-x --node pve]
      layers/l9-mine: not made by `hl`
      state/known_hosts: host keys of virtual machines
      state/legacy: kept from an older layout
      state/lock: the lab's lock
      state/proxmox.env: environment
      state/secrets.env: environment
      target: not made by `hl`
      templates/debian-13/image.lock: the image that was fetched and verified
      templates/debian-13/notes.txt: not made by `hl`
    "#);
    carry_out(&fixture, &clean, false).unwrap();
    assert_eq!(
        git(&fixture, &["status", "--porcelain", "--untracked-files=no"]),
        ""
    );
    let left = git(&fixture, &["ls-files", "--others", "-z"]);
    for file in left.split('\0').filter(|file| !file.is_empty()) {
        let named = clean
            .keep
            .iter()
            .any(|kept| Utf8PathBuf::from(file).starts_with(&kept.path));
        assert!(named, "{file} is left and not named");
    }
}

#[test]
fn nothing_goes_when_git_cannot_tell() {
    let fixture = used();
    fs::create_dir(root(&fixture).join(".git")).unwrap();
    let failure = scan(&fixture.lab, None, false).unwrap_err();
    assert!(
        failure
            .to_string()
            .starts_with("cannot ask git what it tracks: "),
        "{failure}"
    );
}

#[test]
fn links_out_of_the_lab_are_not_followed() {
    let fixture = used();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("precious"), "x").unwrap();
    let root = root(&fixture);
    for name in [".build", "reports", "state/logs"] {
        fs::remove_dir_all(root.join(name)).unwrap();
        symlink(outside.path(), root.join(name)).unwrap();
    }
    let clean = look(&fixture);
    let kept: Vec<&str> = clean.keep.iter().map(|kept| kept.path.as_str()).collect();
    assert!(
        kept.contains(&".build") && kept.contains(&"reports"),
        "{kept:?}"
    );
    carry_out(&fixture, &clean, false).unwrap();
    assert!(outside.path().join("precious").exists());
    // A link inside what goes is taken away itself.
    assert!(!root.join("state/logs").is_symlink());
    assert!(root.join(".build").is_symlink());
}

#[test]
fn the_action_judges_for_itself() {
    let fixture = used();
    let mut clean = Clean::default();
    for path in [".env", "state", ".states", "site", "layers"] {
        clean.remove.push(hl::layers::clean::Removal {
            path: path.into(),
            size: 0,
        });
    }
    carry_out(&fixture, &clean, false).unwrap();
    let left = tree(&fixture);
    for file in [
        ".env",
        "state/proxmox.env",
        "site/envs/dev-x.yaml",
        "layers/l2-b/layer.toml",
        ".states/dev-x-pve/terraform.tfstate",
    ] {
        assert!(left.iter().any(|l| l == file), "{file} is gone");
    }
    assert!(!left.iter().any(|l| l.starts_with("state/runs")));
    for wrong in ["/etc", "../x", "a/../../x", ""] {
        let clean = Clean {
            remove: vec![hl::layers::clean::Removal {
                path: wrong.into(),
                size: 0,
            }],
            keep: Vec::new(),
        };
        assert!(carry_out(&fixture, &clean, false).is_err(), "{wrong}");
    }
}

#[test]
fn closed_directories_of_a_rehearsal_go() {
    let fixture = used();
    let guest = root(&fixture).join("state/rehearsal/sim/guests/web");
    fs::set_permissions(guest.join("etc"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(&guest, fs::Permissions::from_mode(0o500)).unwrap();
    let clean = look(&fixture);
    carry_out(&fixture, &clean, false).unwrap();
    assert!(!root(&fixture).join("state/rehearsal").exists());
}

#[test]
fn the_history_of_runs_stays_unless_it_is_asked_for() {
    let fixture = used();
    let book = fixture.load().unwrap();
    let clean = scan(&fixture.lab, Some(&book), false).unwrap();
    assert!(!clean.takes_history(&fixture.lab));
    assert!(look(&fixture).takes_history(&fixture.lab));
    let kept = |path: &str| {
        let kept = clean.keep.iter().find(|kept| kept.path == path);
        let kept = kept.unwrap_or_else(|| panic!("{path} is not in {clean:#?}"));
        (kept.reason.as_str(), kept.help.as_deref())
    };
    assert_eq!(
        kept("state/runs"),
        ("the history of runs", Some("hl clean --history"))
    );
    assert_eq!(kept("state/logs"), ("logs of runs", None));
    assert_eq!(kept("reports"), ("reports of runs", None));
    assert_eq!(
        kept("state/runtime.yaml"),
        ("what the last runs made", None)
    );
    let gone = |path: &str| clean.remove.iter().any(|gone| gone.path == path);
    for path in [
        ".build",
        "state/cache",
        "state/rehearsal",
        "templates/debian-13/spec",
    ] {
        assert!(gone(path), "{path}");
    }
    carry_out(&fixture, &clean, false).unwrap();
    let left = tree(&fixture);
    for file in [
        "state/runtime.yaml",
        "state/runs/20260101-000000-abcd.yaml",
        "state/runs/latest.env",
        "state/logs/20260101-000000-abcd/l2-apply.log",
        "reports/20260101-000000.passed.json",
    ] {
        assert!(left.iter().any(|left| left == file), "{file} is gone");
    }
}

/// States lie at two depths: of environments, and of the nodes of manifests.
#[test]
fn states_of_manifests_stay_with_the_command_that_destroys_them() {
    let fixture = used();
    write(&fixture, ".states/shop/pve/web/terraform.tfstate", FULL);
    write(&fixture, ".states/shop/pve/web/data/x", "x");
    write(&fixture, ".states/shop/pve/old/terraform.tfstate", EMPTY);
    let shown = shown(&look(&fixture));
    let has = |line: &str| shown.lines().any(|shown| shown.trim() == line);
    assert!(
        has(
            ".states/shop/pve/web/terraform.tfstate: holds 2 resources: web, db [hl destroy -M shop -H pve]"
        ),
        "{shown}"
    );
    assert!(has("- .states/shop/pve/web/data"), "{shown}");
    assert!(has("- .states/shop/pve/old"), "{shown}");
}
