//! Who sees what: every path with every kind of visitor, links, cookies and forms.

use super::daemon::{Daemon, REPO_TOKEN, csrf, read};
use crate::support::TestLab;

/// A lab with a recipe that takes a moment, one run of it, and postures with tokens.
fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l1-test/layer.toml",
        "[layer]\nid = \"l1\"\nname = \"Test\"\n\n\
         [[recipe]]\nname = \"job\"\n\n\
         [[recipe.step]]\nid = \"work\"\nuse = \"command\"\nwith = { argv = [\"echo\", \"said\"] }\n",
    );
    lab.hl("job").exits(0);
    lab
}

/// The id of the lab's only run.
fn run(lab: &TestLab) -> String {
    let document = lab.hl("runs --json").exits(0).json();
    document["runs"][0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn every_path_is_closed_to_who_may_not() {
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let id = run(&lab);
    let (reader, operator) = (daemon.session(false), daemon.session(true));
    let of_run = |rest: &str| format!("/runs/{id}{rest}");
    // Path, then the status for nobody, for a reader and for an operator.
    let looks = [
        ("/".to_owned(), 200, 200, 200),
        ("/login".to_owned(), 200, 200, 200),
        ("/login?link=wrong".to_owned(), 401, 401, 401),
        ("/login?link=a&link=b".to_owned(), 400, 400, 400),
        ("/assets/page.css".to_owned(), 200, 200, 200),
        ("/assets/page.js".to_owned(), 200, 200, 200),
        ("/runs".to_owned(), 401, 200, 200),
        ("/runs?page=2".to_owned(), 401, 200, 200),
        ("/runs?of=rehearsal".to_owned(), 401, 200, 200),
        ("/runs?page=x".to_owned(), 401, 400, 400),
        ("/runs/%ff".to_owned(), 401, 404, 404),
        (of_run("/events?from=x"), 401, 400, 400),
        (of_run(""), 401, 200, 200),
        (of_run("/events"), 401, 200, 200),
        (of_run("/events?from=3"), 401, 400, 400),
        (of_run("/logs/job/work"), 401, 200, 200),
        (of_run("/logs/job/none"), 401, 404, 404),
        (of_run("/report"), 401, 200, 200),
        (of_run("/approve"), 401, 405, 405),
        (of_run("/reject"), 401, 405, 405),
        (of_run("/stop"), 401, 405, 405),
        ("/logout".to_owned(), 401, 405, 405),
        ("/recipes/job".to_owned(), 401, 200, 200),
        ("/recipes/none".to_owned(), 401, 404, 404),
        ("/runs/20200101-000000-0000".to_owned(), 401, 404, 404),
        ("/runs/..%2f..%2fhl".to_owned(), 401, 404, 404),
    ];
    for (path, nobody, read_only, operates) in looks {
        let visits = [
            ("", nobody),
            ("__Host-hl=0000", nobody),
            (reader.as_str(), read_only),
            (operator.as_str(), operates),
        ];
        for (cookie, wanted) in visits {
            let answer = daemon.get(&path, cookie);
            assert_eq!(answer.status, wanted, "{path} with `{cookie}`");
            if wanted >= 400 {
                let page = answer.body.starts_with("<!doctype html>");
                assert!(page, "{path} with `{cookie}`: {}", answer.body);
            }
        }
        for token in [REPO_TOKEN, "spec-token"] {
            let bearer = daemon.request("GET", &path).bearer_auth(token);
            assert_eq!(read(bearer).status, nobody, "{path} with a bearer token");
            let basic = daemon.request("GET", &path).basic_auth(token, Some(token));
            assert_eq!(read(basic).status, nobody, "{path} with basic auth");
        }
    }
    let acts = [
        of_run("/approve"),
        of_run("/reject"),
        of_run("/stop"),
        "/recipes/job".to_owned(),
    ];
    for path in acts {
        let bare = || daemon.request("POST", &path);
        let form = [("how", "dry")];
        assert_eq!(read(bare().form(&form)).status, 401, "{path}");
        let bearer = bare().bearer_auth(REPO_TOKEN).form(&form);
        assert_eq!(read(bearer).status, 401, "{path}");
        assert_eq!(
            daemon.send("/", &path, &reader, &form).status,
            403,
            "{path}"
        );
    }
    // Nothing was started, and the run is over.
    assert_eq!(
        lab.hl("runs --json").exits(0).json()["runs"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let stop = daemon.send("/", &of_run("/stop"), &operator, &[]);
    assert_eq!(stop.status, 409);
}

/// What no route has is 401 for those who are not logged in, as all else is.
#[test]
fn a_path_that_is_nowhere_is_closed_too() {
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let reader = daemon.session(false);
    for path in ["/favicon.ico", "/nothing", "/runs/x/y/z", "/assets/none"] {
        for cookie in ["", "__Host-hl=0000"] {
            let answer = daemon.get(path, cookie);
            assert_eq!(answer.status, 401, "{path}");
            let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(body["error"]["code"], "E300", "{path}");
            assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        }
        let answer = daemon.get(path, &reader);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("There is no such page"), "{path}");
        assert!(answer.headers.contains_key("content-security-policy"));
        let bearer = daemon.request("GET", path).bearer_auth(REPO_TOKEN);
        assert_eq!(read(bearer).status, 401, "{path}");
    }
}

#[test]
fn a_link_opens_the_page_once_and_a_preview_does_not_use_it_up() {
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let link = daemon.link(false);
    for _ in 0..3 {
        let preview = daemon.get(&link, "");
        assert_eq!(preview.status, 200);
        assert!(preview.body.contains("Open the page"));
        assert!(!preview.headers.contains_key("set-cookie"));
    }
    let entered = daemon.enter(&link);
    assert_eq!(entered.status, 303);
    assert_eq!(entered.headers["location"], "/");
    let cookie = entered.headers["set-cookie"].to_str().unwrap();
    let (value, rest) = cookie.split_once("; ").unwrap();
    assert_eq!(
        rest,
        "Path=/; Max-Age=43200; Secure; HttpOnly; SameSite=Strict"
    );
    let token = value.strip_prefix("__Host-hl=").unwrap();
    assert!(token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert!(daemon.get("/", value).body.contains("read-only"));
    // It is over now, for the button and for the preview.
    assert_eq!(daemon.enter(&link).status, 401);
    assert_eq!(daemon.get(&link, "").status, 401);
    // Logging out in the page ends this session, `hl serve logout` the others.
    let other = daemon.session(true);
    assert!(daemon.get("/", &other).body.contains("operator"));
    let left = daemon.send("/", "/logout", value, &[]);
    assert_eq!(left.status, 303);
    assert!(
        left.headers["set-cookie"]
            .to_str()
            .unwrap()
            .contains("Max-Age=0")
    );
    assert_eq!(daemon.get("/runs", value).status, 401);
    assert_eq!(daemon.get("/runs", &other).status, 200);
    let unused = daemon.link(true);
    daemon.hl("serve logout").exits(0).says(&["1 session"]);
    assert_eq!(daemon.get("/runs", &other).status, 401);
    assert_eq!(daemon.enter(&unused).status, 401);
}

#[test]
fn guessing_links_is_slowed_down() {
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let statuses: Vec<u16> = (0..30)
        .map(|number| daemon.enter(&format!("/login?link={number}")).status)
        .collect();
    assert_eq!(statuses[0], 401);
    assert!(statuses.contains(&429), "{statuses:?}");
    // Who is logged in is not shut out: only links are not looked at.
    assert_eq!(daemon.get("/", "").status, 200);
}

#[test]
fn forms_of_others_are_refused() {
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let operator = daemon.session(true);
    let page = daemon.get("/recipes/job", &operator).body;
    let token = csrf(&page);
    let client = |origin: Option<&str>, site: Option<&str>, token: &str| {
        let url = format!("{}/recipes/job", daemon.url);
        let mut request = daemon.client().post(url).header("Cookie", &operator);
        if let Some(origin) = origin {
            request = request.header("Origin", origin);
        }
        if let Some(site) = site {
            request = request.header("Sec-Fetch-Site", site);
        }
        read(request.form(&[("csrf", token), ("how", "live")])).status
    };
    let own = daemon.url.as_str();
    // The recipe is not `remote`: what is let through is refused by that.
    assert_eq!(client(Some(own), None, &token), 409);
    assert_eq!(client(Some("null"), Some("same-origin"), &token), 409);
    assert_eq!(client(None, Some("same-origin"), &token), 409);
    for (origin, site) in [
        (None, None),
        (Some("null"), None),
        (Some("null"), Some("cross-site")),
        (Some("https://evil.test"), Some("same-origin")),
        (Some("http://127.0.0.1"), None),
    ] {
        assert_eq!(client(origin, site, &token), 403, "{origin:?} {site:?}");
    }
    let other = daemon.session(true);
    let foreign = csrf(&daemon.get("/", &other).body);
    for wrong in ["", "0", foreign.as_str()] {
        assert_eq!(client(Some(own), None, wrong), 403, "{wrong}");
    }
}

#[test]
fn names_of_others_lead_nowhere() {
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let reader = daemon.session(false);
    let asked = |host: &str| {
        let request = daemon.request("GET", "/runs").header("Cookie", &reader);
        read(request.header("Host", host)).status
    };
    assert_eq!(asked(&format!("127.0.0.1:{}", daemon.port)), 200);
    assert_eq!(asked(&format!("localhost:{}", daemon.port)), 200);
    for host in [
        "evil.test",
        "127.0.0.1.evil.test",
        "a@127.0.0.1",
        "localhost.evil.test:443",
    ] {
        assert_eq!(asked(host), 421, "{host}");
    }
}

#[test]
fn every_answer_carries_its_headers() {
    let lab = lab();
    let daemon = Daemon::start(&lab);
    let reader = daemon.session(false);
    let id = run(&lab);
    let paths = ["/", "/login", "/runs", "/assets/page.js", "/recipes/none"];
    let paths = paths.iter().map(|path| (*path).to_owned());
    for path in paths.chain([format!("/runs/{id}/events"), format!("/runs/{id}")]) {
        for session in ["", reader.as_str()] {
            let headers = daemon.get(&path, session).headers;
            let all = |name: &str| {
                let values = headers.get_all(name).iter();
                let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
                values.join(" | ")
            };
            assert_eq!(
                all("content-security-policy"),
                "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; \
                 connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
                "{path}"
            );
            assert_eq!(all("cache-control"), "no-store", "{path}");
            assert_eq!(all("referrer-policy"), "no-referrer", "{path}");
            assert_eq!(all("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(all("server"), "", "{path}");
        }
    }
}

#[test]
fn the_socket_is_for_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;

    let lab = lab();
    let daemon = Daemon::start(&lab);
    let socket = lab.path(&format!("hl/serve-{}.sock", daemon.port));
    let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().unwrap()), 0o700);
    daemon.stop();
    assert!(!socket.exists());
    lab.hl("serve login --port 1")
        .exits(66)
        .says(&["no controller of yours"]);
}

#[test]
fn without_a_lab_there_are_no_runs_to_look_at() {
    let lab = TestLab::empty();
    std::fs::remove_file(lab.path("hl.toml")).unwrap();
    lab.write("site/site.yaml", "defaults: {}\n");
    let site = lab.path("site").display().to_string();
    let daemon = Daemon::of(&lab, lab.hl("serve").env("HL_SITE", site));
    let reader = daemon.session(false);
    for path in ["/", "/runs", "/recipes/job"] {
        let answer = daemon.get(path, &reader);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("without a lab"), "{}", answer.body);
    }
    assert_eq!(daemon.get("/specs", "").status, 200);
}
