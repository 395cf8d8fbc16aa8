//! `hl platform init` without a terminal.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::stage::holders;
use crate::support::TestLab;

const MACHINES: &str = "proxmox.machines=name=cp01,ip=10.0.0.5,vmid=105,role=controlplane";

#[test]
fn what_is_open_is_named_at_once_and_what_is_answered_is_written() {
    let lab = TestLab::empty();
    let ran = lab.hl("platform init --no-input").exits(77);
    ran.says(&[
        "`organization`, `app_name`, `group.cloud`, `group.os`, `group.gitops` are not answered",
        "`group.cloud`: one of `hetzner`, `proxmox`",
        "`--answer KEY=VALUE`",
    ]);
    assert!(!lab.path("platform/platform.yaml").exists());
    let some = lab
        .hl("platform init --no-input --adapters proxmox,k3s,sops --answer organization=acme --answer app_name=acme-lab")
        .exits(77);
    some.says(&["`proxmox.machines`"]);
    // What was said is kept, and not asked again; cilium came along, as k3s requires it.
    let text = lab.read("platform/platform.yaml");
    for line in [
        "organization: acme",
        "app_name: acme-lab",
        "  k3s:\n    version: v1.36.4+k3s1",
        "cilium:",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    lab.write("platform/platform.yaml", &format!("# ours\n{text}"));
    lab.hl("platform init --no-input")
        .arg("--answer")
        .arg(MACHINES)
        .exits(0)
        .says(&["Wrote"]);
    let text = lab.read("platform/platform.yaml");
    assert!(text.starts_with("# ours\n"), "{text}");
    lab.hl("platform init --no-input")
        .exits(0)
        .says(&["Unchanged"]);
    assert_eq!(lab.read("platform/platform.yaml"), text);
    lab.hl("platform render").exits(0);
    // Only what is no longer valid is asked for.
    let wrong = text.replace("role: controlplane", "role: worker");
    lab.write("platform/platform.yaml", &wrong);
    let ran = lab.hl("platform init --no-input").exits(77);
    ran.says(&[
        "`proxmox.machines` is not answered",
        "has the role `controlplane`",
    ]);
    lab.hl("platform init --no-input")
        .arg("--answer")
        .arg(MACHINES)
        .exits(0);
    lab.hl("platform validate").exits(0);
}

#[test]
fn an_answer_that_does_not_fit_is_refused() {
    let lab = TestLab::empty();
    for (words, said) in [
        (
            "--answer organization=Acme",
            "`organization`: expected lower-case letters",
        ),
        ("--answer organization", "is not KEY=VALUE"),
        ("--adapters nothing", "there is no adapter `nothing`"),
        ("--answer group.os=windows", "`group.os`: expected one of"),
        (
            "--adapters sops --answer sops.recipients=age1x --answer organization=a --answer app_name=a",
            "`sops.recipients`: ",
        ),
        (
            "--adapters sops --answer sops.x=1 --answer organization=a --answer app_name=a",
            "`sops.x` answers no question",
        ),
    ] {
        let ran = lab.hl("platform init --no-input").cmd(words).run();
        assert!([2, 66].contains(&ran.code), "{words}: {}", ran.stderr);
        ran.says(&[said]);
    }
}

#[test]
fn secrets_are_kept_apart() {
    let lab = TestLab::empty();
    let words = "platform init --no-input --adapters hetzner --answer organization=acme --answer app_name=acme --answer hetzner.rescue_mode_confirm=yes";
    let hl = || {
        lab.hl(words)
            .arg("--answer")
            .arg("hetzner.machines=name=a,ip=10.0.0.5,id=7,role=controlplane")
    };
    hl().exits(77)
        .says(&["`hetzner.token` is a secret: set `HCLOUD_TOKEN`"]);
    let ran = hl().arg("--answer=hetzner.token=canary-token").exits(2);
    ran.says(&["`hetzner.token` is a secret", "`--answers FILE`"]);
    assert!(!ran.stderr.contains("canary-token"), "{}", ran.stderr);
    lab.write("answers", "# ours\nhetzner.token = canary-token\n");
    let ran = hl().arg("--answers=answers").exits(0);
    assert!(!ran.stderr.contains("canary-token") && !ran.stdout.contains("canary-token"));
    fs::remove_file(lab.path("answers")).unwrap();
    assert_eq!(holders(lab.root(), "canary-token"), ["state/secrets.env"]);
    let mode = fs::metadata(lab.path("state/secrets.env"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    hl().exits(0);
    // In the file it is refused, and not shown.
    let text = lab.read("platform/platform.yaml");
    let text = text.replace(
        "    rescue_mode_confirm",
        "    token: canary-in-file\n    rescue_mode_confirm",
    );
    lab.write("platform/platform.yaml", &text);
    let ran = lab.hl("platform render").exits(65);
    ran.says(&["`token` of adapter `hetzner` is a secret", "platform.yaml:"]);
    assert!(!ran.stderr.contains("canary-in-file"), "{}", ran.stderr);
}

#[test]
fn a_choice_that_changes_takes_the_other_out() {
    let lab = TestLab::empty();
    let words = "platform init --no-input --answer organization=acme --answer app_name=acme --answer group.cloud=proxmox --answer group.gitops=none";
    let hl = |os: &str| {
        lab.hl(words)
            .arg(format!("--answer=group.os={os}"))
            .arg("--answer")
            .arg(MACHINES)
    };
    hl("k3s").exits(0);
    let text = lab.read("platform/platform.yaml");
    assert!(
        text.contains("k3s:") && text.contains("sops:") && !text.contains("argocd"),
        "{text}"
    );
    hl("talos").exits(0);
    let text = lab.read("platform/platform.yaml");
    assert!(text.contains("talos:") && !text.contains("k3s:"), "{text}");
    lab.hl("platform render").exits(0);
}

/// One line with all adapters: what is not chosen any more goes, and nothing else.
#[test]
fn a_platform_on_one_line_loses_only_what_is_replaced() {
    let lab = TestLab::empty();
    let line = "adapters: {proxmox: {machines: [{name: cp01, ip: 10.0.0.5, vmid: 105, role: controlplane}]}, \
                k3s: {pod_cidr: 10.50.0.0/16}, cilium: {hubble: true}, sops: {}}\n";
    let head = "version: \"1.0\"\nplatform: {organization: acme, app_name: acme-lab}\n";
    lab.write("platform/platform.yaml", &format!("{head}{line}"));
    let ran = lab
        .hl("platform init --no-input --answer group.os=talos")
        .run();
    ran.says(&["Removed", "`k3s` with all that it is told"]);
    let text = lab.read("platform/platform.yaml");
    for kept in ["vmid: 105", "cilium: {hubble: true", "sops: {", "talos: "] {
        assert!(text.contains(kept), "{kept}\n{text}\n{}", ran.stderr);
    }
    assert!(!text.contains("k3s"), "{text}");
}

/// Adapters that the named ones require stay with what they are told, and what goes is
/// named.
#[test]
fn what_named_adapters_require_keeps_what_it_is_told() {
    let lab = TestLab::empty();
    let text = "version: \"1.0\"\nplatform: {organization: acme, app_name: acme-lab}\nadapters:\n  \
                proxmox:\n    machines:\n      - {name: cp01, ip: 10.0.0.5, vmid: 105, role: controlplane}\n  \
                k3s: {pod_cidr: 10.50.0.0/16}\n  cilium: {hubble: true}\n  sops: {path_regex: mine/}\n";
    lab.write("platform/platform.yaml", text);
    let hl = lab.hl("platform init --no-input --adapters k3s");
    let ran = hl.exits(0);
    ran.says(&["Removed", "`sops` with all that it is told"]);
    let text = lab.read("platform/platform.yaml");
    for kept in ["vmid: 105", "pod_cidr: 10.50.0.0/16", "hubble: true"] {
        assert!(text.contains(kept), "{kept}\n{text}");
    }
    assert!(!text.contains("sops"), "{text}");
}

/// A secret in the file is refused as `render` does, whether or not its variable is set.
#[test]
fn a_secret_in_the_file_is_not_gone_on_with() {
    let lab = TestLab::empty();
    let text = "version: \"1.0\"\nplatform: {organization: acme, app_name: acme-lab}\nadapters:\n  \
                argocd:\n    repo_token: canary-file\n";
    lab.write("platform/platform.yaml", text);
    for verb in ["init --no-input", "render"] {
        let ran = lab
            .hl(&format!("platform {verb}"))
            .env("ARGOCD_REPO_TOKEN", "canary-set")
            .exits(65);
        ran.says(&[
            "`repo_token` of adapter `argocd` is a secret",
            "platform.yaml:5:",
        ]);
        assert!(!ran.stderr.contains("canary"), "{}", ran.stderr);
    }
    assert_eq!(lab.read("platform/platform.yaml"), text);
}

/// What the help names is an input.
#[test]
fn the_help_for_answers_names_what_there_is() {
    let lab = TestLab::empty();
    let ran = lab.hl("platform init --no-input --answer x").exits(2);
    let said = ran
        .stderr
        .split("--answer ")
        .filter_map(|part| part.split_once('='));
    let keys: Vec<&str> = said.map(|(key, _)| key).collect();
    let Some((adapter, input)) = keys.iter().find_map(|key| key.split_once('.')) else {
        panic!("{}", ran.stderr);
    };
    let definition = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("platform/adapters")
        .join(adapter)
        .join("adapter.toml");
    let definition = fs::read_to_string(definition).unwrap();
    assert!(
        definition.contains(&format!("name = \"{input}\"")),
        "{input}"
    );
}
