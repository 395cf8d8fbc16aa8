//! Files, directories and git's own files, to those who have the token.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use super::stage::{Stage, TOKEN, get, said};

fn lab() -> Stage {
    let stage = Stage::new();
    let text = (0..40_000).fold(String::new(), |mut text, n| {
        writeln!(text, "line {n}").unwrap();
        text
    });
    stage
        .lab
        .write("install.sh", "#!/bin/sh\necho hello\n")
        .write("deep/one/a.yaml", "a: 1\n")
        .write("deep/b", "b\n")
        .write("gone", "gone\n")
        .write("config/settings.env", "dry_run=true\n")
        .write("info/http-alternates", "https://elsewhere/\n")
        .write("objects/info/http-alternates", "https://elsewhere/\n")
        .write("large.txt", &text);
    symlink("/etc/hostname", stage.lab.path("outside")).unwrap();
    stage.commit(stage.lab.root(), "first");
    fs::remove_file(stage.lab.path("gone")).unwrap();
    stage
}

#[test]
fn the_token_comes_first() {
    let stage = lab();
    let served = stage.serve();
    let mut client = served.daemon.connect();
    let known = "/test.git/install.sh";
    for path in [
        known,
        "/none.git/x",
        "/test.git/../x",
        "/.git/config",
        "/a.git",
    ] {
        let answer = client.get(path, &[]);
        assert_eq!((answer.status, &*answer.code()), (401, "E300"), "{path}");
        assert!(answer.header("www-authenticate").starts_with("Basic "));
        let answer = client.get(path, &[("Authorization", "Bearer other")]);
        assert_eq!((answer.status, &*answer.code()), (403, "E301"), "{path}");
    }
    // Of two nobody can say which one counts, be they the same.
    let right = format!("Bearer {TOKEN}");
    let right = ("Authorization", right.as_str());
    for two in [
        [right, ("Authorization", "Bearer other")],
        [("authorization", "Bearer other"), right],
        [right, right],
    ] {
        let answer = client.get(known, &two);
        assert_eq!((answer.status, &*answer.code()), (401, "E300"), "{two:?}");
    }
    // Ten wrong ones: this address has to wait, with whatever token.
    let mut tries = (0..50).map(|_| {
        client
            .get(known, &[("Authorization", "Bearer other")])
            .status
    });
    assert!(tries.any(|status| status == 429));
    let answer = get(&mut client, known, &[]);
    assert_eq!((answer.status, &*answer.code()), (429, "E302"));
    let mut other = served.daemon.connect_from([127, 0, 0, 9].into()).unwrap();
    assert_eq!(get(&mut other, known, &[]).status, 200);
    assert!(!served.daemon.log().contains(TOKEN));
}

#[test]
fn only_what_is_served_can_be_had() {
    let stage = lab();
    let served = stage.serve();
    let mut client = served.daemon.connect();
    for (path, status) in [
        ("/test.git/HEAD", 200),
        ("/test.git/info/refs?service=git-upload-pack", 200),
        ("/test.git/objects/info/packs", 200),
        ("/test.git/config/settings.env", 200),
        ("/test.git/deep", 200),
        ("/test.git/deep/", 200),
        ("/test.git", 200),
        ("/test.git/%69nstall.sh", 200),
        ("/test.git/gone", 404),
        ("/test.git/state", 404),
        ("/test.git/.git/config", 404),
        ("/test.git/config", 404),
        ("/test.git/packed-refs", 404),
        ("/test.git/refs/heads/main", 404),
        ("/test.git/info/exclude", 404),
        ("/test.git/info/http-alternates", 404),
        ("/test.git/objects/info/http-alternates", 404),
        ("/test.git/objects/info/alternates", 404),
        ("/test.git/hooks/post-update", 404),
        ("/test.git/../files/0", 400),
        ("/test.git/%2e%2e/lock", 400),
        ("/test.git/deep//b", 400),
        ("/test.git/deep/b%00", 400),
        ("/test.git/..%5cx", 400),
        ("/test.git/%", 400),
        ("/Test.git/HEAD", 404),
        ("/lab.git/HEAD", 404),
        ("/x/test.git/HEAD", 400),
    ] {
        let answer = get(&mut client, path, &[]);
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        if status != 200 {
            let code = if status == 404 { "E200" } else { "E100" };
            assert_eq!(answer.code(), code, "{path}");
        }
    }
    assert_eq!(
        get(&mut client, "/test.git/HEAD", &[]).text(),
        "ref: refs/heads/_working\n"
    );
    // A link is what it says, and is not followed.
    assert_eq!(
        get(&mut client, "/test.git/outside", &[]).text(),
        "/etc/hostname"
    );
    let list = get(&mut client, "/test.git/deep", &[]);
    assert_eq!(list.text(), "tree _working:deep\n\nb\none/\n");
    assert!(list.header("content-type").starts_with("text/plain"));
}

#[test]
fn head_ranges_and_types_are_those_of_http() {
    let stage = lab();
    let whole = fs::read(stage.lab.path("large.txt")).unwrap();
    let served = stage.serve();
    let mut client = served.daemon.connect();
    let bearer = format!("Bearer {TOKEN}");
    let token = ("Authorization", bearer.as_str());
    let path = "/test.git/large.txt";
    let answer = get(&mut client, path, &[]);
    assert_eq!(answer.body, whole);
    assert_eq!(answer.header("content-length"), whole.len().to_string());
    let head = client.ask("HEAD", path, &[token]).unwrap();
    assert_eq!(
        (head.status, head.header("content-length")),
        (200, &*whole.len().to_string())
    );
    // The connection is as it should be: a HEAD has no body.
    let part = get(&mut client, path, &[("Range", "bytes=100000-100099")]);
    assert_eq!(
        (part.status, &part.body[..]),
        (206, &whole[100_000..100_100])
    );
    let range = format!("bytes 100000-100099/{}", whole.len());
    assert_eq!(part.header("content-range"), range);
    let last = get(&mut client, path, &[("Range", "bytes=-7")]);
    assert_eq!(last.body, whole[whole.len() - 7..]);
    let outside = get(&mut client, path, &[("Range", "bytes=99999999-")]);
    assert_eq!((outside.status, &*outside.code()), (416, "E100"));
    assert_eq!(
        outside.header("content-range"),
        format!("bytes */{}", whole.len())
    );
    for (path, kind) in [
        ("install.sh", "text/x-shellscript"),
        ("deep/one/a.yaml", "text/yaml"),
        ("deep/b", "application/octet-stream"),
        ("info/refs", "text/plain"),
    ] {
        let answer = get(&mut client, &format!("/test.git/{path}"), &[]);
        assert!(answer.header("content-type").starts_with(kind), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    let packs = get(&mut client, "/test.git/objects/info/packs", &[]).text();
    let pack = packs.trim().strip_prefix("P ").unwrap();
    let pack = get(&mut client, &format!("/test.git/objects/pack/{pack}"), &[]);
    assert!(pack.body.starts_with(b"PACK"));
    assert_eq!(
        pack.header("content-type"),
        "application/x-git-packed-objects"
    );
    for method in ["POST", "PUT", "DELETE", "PROPFIND"] {
        let answer = client
            .ask(method, path, &[token, ("Content-Length", "0")])
            .unwrap();
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, "GET, HEAD"),
            "{method}"
        );
    }
}

#[test]
fn curl_gets_a_file_with_the_token_and_nothing_without() {
    let stage = lab();
    let served = stage.serve();
    let url = format!(
        "https://127.0.0.1:{}/test.git/install.sh",
        served.daemon.port()
    );
    let curl = |args: &[&str]| {
        Command::new("curl")
            .args([
                "-sS",
                "--fail",
                "--max-time",
                "60",
                "--noproxy",
                "*",
                "--cacert",
            ])
            .arg(served.daemon.certificate_file())
            .args(args)
            .arg(&url)
            .output()
            .unwrap()
    };
    let header = format!("Authorization: Bearer {TOKEN}");
    let user = format!("anybody:{TOKEN}");
    for args in [["-H", &header], ["-u", &user]] {
        let output = curl(&args);
        assert_eq!(said(&output, "curl"), "#!/bin/sh\necho hello\n");
    }
    let without = curl(&[]);
    assert_eq!(without.status.code(), Some(22));
    assert!(without.stdout.is_empty());
}
