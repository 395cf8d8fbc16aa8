//! `pull.snippet`, `pull.wait` and `pull.clean` against the simulator; `ssh` is a
//! program that runs what it is told in a directory.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::l2::stage::{Stage, mode};
use crate::support::{Hl, Ran};

const TOKEN: &str = "c0ffee20-of-the-machine";

/// What a user writes who tries them one by one.
const MINE: &str = r#"
[layer]
id = "l9"
name = "Mine"

[[recipe]]
name = "snippet"
[[recipe.step]]
id = "write"
use = "pull.snippet"
with = { key = "dev-pve", node = "pve", name = "web", spec = "edge" }
[[recipe.step]]
id = "tell"
use = "command"
with = { argv = ["echo", "volume {{ steps.write.vendor_data }} of {{ steps.write.snippets }} digest {{ steps.write.digest }}"] }

[[recipe]]
name = "clean-snippet"
[[recipe.step]]
id = "clean"
use = "pull.clean"
with = { key = "dev-pve", node = "pve", name = "web" }

[[recipe]]
name = "applied"
params = [{ name = "digest" }, { name = "patience", option = true, default = "4s" }]
[[recipe.step]]
id = "wait"
use = "pull.wait"
with = { inventory = "inventory.json", name = "web", spec = "edge", digest = "{{ digest }}", patience = "{{ patience }}" }
"#;

/// Runs its last argument where `/` is a directory of the test.
const SSH: &str = r#"#!/bin/sh
for last; do :; done
echo "$@" >>"$FAKE/calls"
PATH="$FAKE/bin:$PATH"
export PATH
last=$(printf %s "$last" | sed "s#/var/lib/hl-spec#$FAKE/spec#g")
exec sh -c "$last"
"#;
const PVESM: &str = "#!/bin/sh\necho \"$FAKE/snippets/${2##*/}\"\n";
const SUDO: &str = "#!/bin/sh\nshift\nexec \"$@\"\n";
/// The unit that is restarted applies what `next` says.
const SYSTEMCTL: &str = "#!/bin/sh\necho \"$@\" >>\"$FAKE/systemctl\"\n[ ! -f \"$FAKE/next\" ] || cp \"$FAKE/next\" \"$FAKE/spec/applied\"\n";

struct Room {
    stage: Stage,
}

impl Room {
    fn new() -> Self {
        let stage = Stage::new();
        let lab = &stage.lab;
        let toml = lab.read("hl.toml");
        lab.write(
            "hl.toml",
            &format!("{toml}\n[serve]\ncert_dir = \"keep\"\n"),
        )
        .write("layers/l9-mine/layer.toml", MINE)
        .write(
            "site/site.yaml",
            "defaults:\n  spec_server: https://192.0.2.9:44443\n",
        )
        .write(
            "site/secrets.yaml",
            &format!("auth:\n  node_tokens:\n    edge: {TOKEN}\n"),
        )
        .write("site/v2/postures/lab.yaml", "auth: {method: node_token}\n")
        .write(
            "site/v2/specs/edge.yaml",
            "schema_version: 1\naccess: {posture: lab}\n",
        )
        .write(
            "inventory.json",
            r#"{"all": {"hosts": {"web": {"ansible_host": "192.0.2.20", "ansible_user": "ops"}}}}"#,
        );
        let made = hl_sim::certs::with_authority(&["192.0.2.9".to_owned()]).unwrap();
        lab.write("keep/controller.crt", &made.cert_pem);
        let private = |path: &str, mode: u32| {
            fs::set_permissions(lab.path(path), fs::Permissions::from_mode(mode)).unwrap();
        };
        private("site/secrets.yaml", 0o600);
        for (name, text) in [
            ("ssh", SSH),
            ("pvesm", PVESM),
            ("sudo", SUDO),
            ("systemctl", SYSTEMCTL),
        ] {
            let path = format!("fake/bin/{name}");
            lab.write(&path, text);
            private(&path, 0o755);
        }
        fs::create_dir_all(lab.path("fake/spec")).unwrap();
        stage.sim.change(|world| {
            let local = world.storages.get_mut("local").unwrap();
            if !local.content.iter().any(|kind| kind == "snippets") {
                local.content.push("snippets".to_owned());
            }
        });
        Self { stage }
    }

    fn hl(&self, words: &str) -> Hl {
        let fake = self.stage.lab.path("fake");
        let path = std::env::var("PATH").unwrap_or_default();
        self.stage
            .hl(words)
            .env("PATH", format!("{}/bin:{path}", fake.display()))
            .env("FAKE", fake.display().to_string())
    }

    /// The digest that `pull.snippet` publishes.
    fn digest(ran: &Ran) -> String {
        let said = format!("{}{}", ran.stdout, ran.stderr);
        let rest = said.split("digest ").nth(1).unwrap();
        rest.chars().take_while(char::is_ascii_hexdigit).collect()
    }
}

#[test]
fn a_snippet_is_written_for_its_owner_alone_and_goes_again() {
    let room = Room::new();
    let lab = &room.stage.lab;
    room.hl("snippet --dry-run")
        .exits(0)
        .says(&["would write `local:snippets/hl-dev-pve-web.yaml`"]);
    let snippet = lab.path("fake/snippets/hl-dev-pve-web.yaml");
    assert!(!snippet.exists());
    let ran = room.hl("snippet --output prefix").exits(0);
    ran.says(&[
        r#"volume local:snippets/hl-dev-pve-web.yaml of {"web":"local:snippets/hl-dev-pve-web.yaml"}"#,
    ]);
    assert_eq!(Room::digest(&ran).len(), 64);
    assert_eq!(mode(&snippet), 0o600);
    let text = fs::read_to_string(&snippet).unwrap();
    assert!(text.starts_with("#cloud-config\n") && text.contains("/var/lib/hl-spec/token"));
    // The token is in no argument, log, journal or output, in whatever form.
    let calls = lab.read("fake/calls");
    assert!(calls.contains("root@127.0.0.1"), "{calls}");
    let secret = base64(TOKEN);
    for path in room.stage.files() {
        let may = path == snippet || path.ends_with("site/secrets.yaml");
        let bytes = fs::read(&path).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        assert!(
            may || !text.contains(TOKEN) && !text.contains(&secret),
            "the token is in {}",
            path.display()
        );
    }
    for text in [&ran.stdout, &ran.stderr] {
        assert!(!text.contains(TOKEN) && !text.contains(&secret));
    }
    // The node lists what is on it.
    room.stage.sim.change(|world| {
        world.volumes.push(hl_sim::Volume {
            volid: "local:snippets/hl-dev-pve-web.yaml".to_owned(),
            node: "pve".to_owned(),
            content: "snippets".to_owned(),
            format: "snippet".to_owned(),
            size: 1,
            ..hl_sim::Volume::default()
        });
    });
    // This one lists it, also when its file is gone.
    room.hl("clean-snippet").exits(1).says(&[
        "`local:snippets/hl-dev-pve-web.yaml` is still on `pve`",
        "pvesm free",
    ]);
    assert!(!snippet.exists());
    room.stage.sim.change(|world| {
        world.volumes.retain(|volume| volume.content != "snippets");
    });
    room.hl("clean-snippet")
        .exits(0)
        .says(&["there is no snippet"]);
}

#[test]
fn what_a_pull_needs_is_told_at_once() {
    let room = Room::new();
    let lab = &room.stage.lab;
    let toml = lab.read("hl.toml").replace("cert_dir = \"keep\"", "");
    lab.write("hl.toml", &toml)
        .write("site/site.yaml", "defaults: {}\n")
        .write("site/secrets.yaml", "auth: {}\n");
    fs::set_permissions(
        lab.path("site/secrets.yaml"),
        fs::Permissions::from_mode(0o600),
    )
    .unwrap();
    room.hl("snippet").exits(65).says(&[
        "no controller is named",
        "certificate is not kept",
        "no `auth.node_tokens.edge`",
    ]);
    room.stage.sim.change(|world| {
        for storage in world.storages.values_mut() {
            storage.content.retain(|kind| kind != "snippets");
        }
    });
    let room = Room::new();
    room.stage.sim.change(|world| {
        for storage in world.storages.values_mut() {
            storage.content.retain(|kind| kind != "snippets");
        }
    });
    room.hl("snippet")
        .exits(69)
        .says(&["no storage of `pve` holds snippets", "pvesm set local"]);
}

#[test]
fn a_machine_is_believed_by_the_digest_that_it_applied() {
    let room = Room::new();
    let lab = &room.stage.lab;
    let digest = Room::digest(&room.hl("snippet --output prefix").exits(0));
    let applied = |text: &str| {
        lab.write("fake/spec/applied", text);
    };
    let good = format!("{{\"digest\": \"{digest}\", \"at\": 1}}");
    applied(&good);
    let words = format!("applied {digest}");
    room.hl(&words)
        .exits(0)
        .says(&["`web` has applied spec `edge`"]);
    assert!(!lab.path("fake/systemctl").exists());
    // Another one was applied: it is told again, and applies.
    applied(r#"{"digest": "00", "at": 1}"#);
    lab.write("fake/next", &good);
    room.hl(&words).exits(0);
    assert_eq!(lab.read("fake/systemctl"), "restart hl-spec.service\n");
    let settings = lab.read("fake/spec/settings.json");
    assert!(settings.contains("https://192.0.2.9:44443") && !settings.contains(TOKEN));
    // With the settings it is given the token that goes with them.
    let token = lab.path("fake/spec/token");
    assert_eq!(
        (lab.read("fake/spec/token"), mode(&token)),
        (TOKEN.to_owned(), 0o600)
    );
    // What failed is tried once more, and then told.
    let failed = r#"{"digest": null, "failed": "packages: `apt-get`: no nginx", "at": 1}"#;
    applied(failed);
    lab.write("fake/next", failed);
    room.hl(&words).exits(1).says(&[
        "`web` did not apply spec `edge`: packages: `apt-get`: no nginx",
        "journalctl -u hl-spec",
    ]);
    // One that asks in vain is waited for, and then says what it waited for.
    applied(r#"{"digest": null, "waiting": "the controller does not answer", "at": 1}"#);
    room.hl(&words).exits(1).says(&[
        "not applied within 4.0s: the controller does not answer",
        "`hl serve`",
    ]);
}

/// A posture or a token that changed reaches a machine that was made before.
#[test]
fn a_machine_is_given_the_token_of_now() {
    let room = Room::new();
    let lab = &room.stage.lab;
    let token = lab.path("fake/spec/token");
    let refused = r#"{"digest": "00", "failed": "the controller refuses the spec (403): E301 invalid token", "at": 1}"#;
    let tell = || {
        let digest = Room::digest(&room.hl("snippet --output prefix").exits(0));
        lab.write("fake/spec/applied", refused)
            .write("fake/next", &format!("{{\"digest\": \"{digest}\"}}"));
        room.hl(&format!("applied {digest}")).exits(0);
    };
    // Its posture came to want one.
    tell();
    assert_eq!(
        (lab.read("fake/spec/token"), mode(&token)),
        (TOKEN.to_owned(), 0o600)
    );
    // Another one, and the old one was readable by others.
    let other = "c0ffee22-another-one";
    let secrets = format!("auth:\n  node_tokens:\n    edge: {other}\n");
    lab.write("site/secrets.yaml", &secrets);
    let chmod = |path: &std::path::Path, mode: u32| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    chmod(&lab.path("site/secrets.yaml"), 0o600);
    chmod(&token, 0o644);
    tell();
    assert_eq!(
        (lab.read("fake/spec/token"), mode(&token)),
        (other.to_owned(), 0o600)
    );
    // It wants none any more.
    lab.write("site/v2/postures/lab.yaml", "auth: {method: network}\n");
    tell();
    assert!(!token.exists());
    let calls = lab.read("fake/calls");
    for secret in [TOKEN, other] {
        assert!(!calls.contains(secret) && !calls.contains(&base64(secret)));
    }
    let settings = lab.read("fake/spec/settings.json");
    assert!(
        settings.starts_with('{') && settings.ends_with("}\n"),
        "{settings}"
    );
}

pub(super) fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}
