//! Who is given which spec: every row of the table.

use std::net::{IpAddr, Ipv4Addr};

use super::stage::Stage;
use crate::support::{Answer, Client, Daemon};

/// Specs by how their machines prove themselves; the right token, where there is one.
const SPECS: [(&str, &str, Option<&str>); 4] = [
    ("base", "network", None),
    ("pve", "network", None),
    ("edge", "site_token", Some("stage-shared-7f3a")),
    ("vault1", "node_token", Some("tok-vault1-91")),
];

/// What a client may send, and what it is.
const SENT: [(&str, &[&str]); 12] = [
    ("none", &[]),
    ("none", &["Basic c3RhZ2Utc2hhcmVkLTdmM2E="]),
    ("none", &["bearer stage-shared-7f3a"]),
    ("none", &["stage-shared-7f3a"]),
    ("none", &["Bearer"]),
    (
        "none",
        &["Bearer stage-shared-7f3a", "Bearer stage-shared-7f3a"],
    ),
    ("token", &["Bearer stage-shared-7f3a"]),
    ("token", &["Bearer tok-vault1-91"]),
    ("token", &["Bearer tok-edge-55"]),
    ("token", &["Bearer stage-shared-7f3"]),
    ("token", &["Bearer stage-shared-7f3a "]),
    ("token", &["Bearer  stage-shared-7f3a"]),
];

/// A client of its own for each row: those of one address that guess are slowed down.
fn client(daemon: &Daemon, number: u8) -> Client {
    let address = IpAddr::from(Ipv4Addr::new(127, 0, 7, number));
    daemon.connect_from(address).unwrap()
}

fn ask(client: &mut Client, method: &str, path: &str, sent: &[&str]) -> Answer {
    let headers: Vec<_> = sent.iter().map(|value| ("Authorization", *value)).collect();
    client.ask(method, path, &headers).unwrap()
}

#[test]
fn each_row_of_the_table_is_answered_as_it_says() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let mut row = 0;
    for (spec, posture, right) in SPECS {
        for (kind, sent) in SENT {
            row += 1;
            let mut client = client(&daemon, row);
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
                let reads = ["GET", "HEAD"].contains(&method);
                // The white space at the end of a header is no part of it.
                let given = sent.first().and_then(|value| value.strip_prefix("Bearer "));
                let is_right = kind == "token" && given.map(str::trim_end) == right;
                let (status, code) = match (posture, kind) {
                    _ if !reads => (405, "E100"),
                    ("network", _) => (200, ""),
                    (_, "none") => (401, "E300"),
                    _ if is_right => (200, ""),
                    _ => (403, "E301"),
                };
                let answer = ask(&mut client, method, &format!("/spec/{spec}"), sent);
                let what = format!("{method} {spec} {posture} {sent:?}");
                assert_eq!(answer.status, status, "{what}");
                assert_eq!(answer.header("content-type"), "application/json", "{what}");
                assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
                assert_eq!(answer.header("server"), "", "{what}");
                let length: usize = answer.header("content-length").parse().unwrap();
                assert!(length > 0, "{what}");
                if method != "HEAD" && !code.is_empty() {
                    assert_eq!(answer.code(), code, "{what}");
                }
                if method == "GET" && status == 200 {
                    assert_eq!(answer.json()["schema_version"], 1, "{what}");
                }
            }
        }
    }
    assert_eq!(usize::from(row), SPECS.len() * SENT.len());
}

/// What is not set up opens nothing, whatever is sent.
#[test]
fn what_is_not_set_up_fails_closed() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let rows = [
        (
            "vault9",
            500,
            "E500",
            "node_token not configured for vault9",
        ),
        ("odd", 500, "E500", "Unknown auth method: magic"),
        ("lost", 500, "E201", "Posture not found: gone"),
        ("keyless", 500, "E202", "SSH key not found"),
        ("broken", 500, "E500", "cannot be resolved"),
        ("nobody", 404, "E200", "Spec not found: nobody"),
        ("not-a-spec", 404, "E200", "Spec not found"),
        ("..", 400, "E100", "Not the name of a spec"),
        ("%65dge", 400, "E100", "Not the name of a spec"),
    ];
    for (spec, status, code, message) in rows {
        for sent in [None, Some("Bearer x"), Some("Bearer stage-shared-7f3a")] {
            let headers: Vec<_> = sent
                .map(|sent| ("Authorization", sent))
                .into_iter()
                .collect();
            let answer = daemon.connect().get(&format!("/spec/{spec}"), &headers);
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (status, code),
                "{spec}"
            );
            assert!(answer.text().contains(message), "{}", answer.text());
        }
    }
    // The rule comes before the resolver: without a token nobody learns what is wrong.
    let locked = daemon.get("/spec/locked");
    assert_eq!((locked.status, locked.code().as_str()), (401, "E300"));
    let token = ("Authorization", "Bearer stage-shared-7f3a");
    let locked = daemon.connect().get("/spec/locked", &[token]);
    assert_eq!(locked.code(), "E202");
    drop(daemon);
    // No site token at all, and one that is empty.
    for auth in ["node_tokens: {edge: x}", "site_token: \"\""] {
        let secrets = format!("auth:\n  {auth}\n");
        stage.lab.write("site/secrets.yaml", &secrets);
        let Some(daemon) = started(&stage) else {
            continue;
        };
        for sent in [&[][..], &[("Authorization", "Bearer ")], &[token]] {
            let answer = daemon.connect().get("/spec/locked", sent);
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (500, "E500"),
                "{auth}"
            );
        }
    }
}

/// A controller, unless the secrets are refused already.
fn started(stage: &Stage) -> Option<Daemon> {
    let checked = stage.hl("site secrets check").run();
    (checked.code == 0).then(|| stage.serve())
}

#[test]
fn a_spec_is_what_the_resolver_says() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let told = daemon.connect().get(
        "/spec/edge",
        &[("Authorization", "Bearer stage-shared-7f3a")],
    );
    let resolved = stage.hl("site resolve spec edge --reveal").exits(0).json();
    assert_eq!(told.json(), resolved);
    // Indented by two.
    assert!(told.text().starts_with("{\n  \""), "{}", told.text());
    assert_eq!(told.header("cache-control"), "no-store");
}

#[test]
fn endpoints_are_found_as_they_are_written() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let mut client = daemon.connect();
    for path in [
        "/health",
        "//health",
        "/health/",
        "/health?x=/../",
        "/health//",
    ] {
        assert_eq!(client.get(path, &[]).json()["status"], "ok", "{path}");
    }
    for path in ["/specs", "/specs/", "//specs?x"] {
        let specs = client.get(path, &[]).json();
        assert_eq!(specs["specs"][0], "base", "{path}");
    }
    for path in ["/spec", "/spec/"] {
        let answer = client.get(path, &[]);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (400, "E100"),
            "{path}"
        );
    }
    // Nobody is told what else there is.
    for path in [
        "/nothing",
        "/favicon.ico",
        "/robots.txt",
        "/spec.yaml",
        "/healthy",
        "/%68ealth",
        "/runs/../health",
        "/assets/x",
    ] {
        for method in ["GET", "POST", "BREW"] {
            let answer = client.ask(method, path, &[]).unwrap();
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (401, "E300"),
                "{method} {path}"
            );
        }
    }
    // A file that is new is found without a reload.
    assert_eq!(client.get("/spec/late", &[]).status, 404);
    let late = "schema_version: 1\n";
    stage.lab.write("site/v2/specs/late.yaml", late);
    assert_eq!(client.get("/spec/late", &[]).status, 200);
}

/// A link in `v2/specs` is no way out of the site-config, and all agree on it.
#[test]
fn a_link_that_leads_out_is_no_spec() {
    use std::os::unix::fs::symlink;

    let stage = Stage::example();
    let outside = "schema_version: 1\nidentity: {domain: outside.example}\n";
    stage.lab.write("outside.yaml", outside);
    let specs = stage.lab.path("site/v2/specs");
    symlink("base.yaml", specs.join("alias.yaml")).unwrap();
    symlink("../../../outside.yaml", specs.join("out.yaml")).unwrap();
    symlink(stage.lab.path("outside.yaml"), specs.join("far.yaml")).unwrap();
    symlink("../../secrets.yaml", specs.join("secret.yaml")).unwrap();
    stage.lab.write("site/v2/specs/two words.yaml", outside);
    let daemon = stage.serve();
    let known = ["alias", "base", "edge", "pve", "vault1"];
    assert_eq!(
        daemon.get("/specs").json()["specs"],
        serde_json::json!(known)
    );
    assert_eq!(daemon.started["specs"], serde_json::json!(known));
    assert_eq!(daemon.get("/spec/alias").status, 200);
    for name in ["out", "far", "secret"] {
        let answer = daemon.get(&format!("/spec/{name}"));
        assert_eq!((answer.status, answer.code().as_str()), (404, "E200"));
        assert!(!answer.text().contains("example"), "{}", answer.text());
        stage
            .hl(&format!("site resolve spec {name}"))
            .exits(66)
            .says(&["there is no spec"]);
    }
    assert_eq!(daemon.get("/spec/two%20words").status, 400);
    stage
        .hl("site resolve spec")
        .arg("two words")
        .exits(2)
        .says(&["is not a name"]);
    let listed = stage.hl("site list specs").exits(0).stdout;
    assert_eq!(listed.lines().collect::<Vec<_>>(), known);
    let checked = stage.hl("site check").run();
    for name in ["out", "far", "secret", "two words"] {
        let said = format!("v2/specs/{name}.yaml` is not read");
        checked.says(&[&said]);
    }
}

#[test]
fn a_guesser_is_slowed_down_and_others_are_not() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let mut guesser = client(&daemon, 1);
    let wrong = ["Bearer wrong"];
    let statuses: Vec<u16> = (0..30)
        .map(|_| ask(&mut guesser, "GET", "/spec/edge", &wrong).status)
        .collect();
    assert_eq!(statuses.first(), Some(&403));
    assert!(statuses.contains(&429), "{statuses:?}");
    // Of the guesser not even the right one is looked at; what needs none is.
    let right = ["Bearer stage-shared-7f3a"];
    let refused = ask(&mut guesser, "GET", "/spec/edge", &right);
    if refused.status != 200 {
        assert_eq!((refused.status, refused.code().as_str()), (429, "E302"));
    }
    assert_eq!(ask(&mut guesser, "GET", "/spec/base", &[]).status, 200);
    let mut other = client(&daemon, 2);
    assert_eq!(ask(&mut other, "GET", "/spec/edge", &right).status, 200);
}
