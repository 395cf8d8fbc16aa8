//! What pages show: no markup of a lab, no secret, all runs, whole logs.

use super::daemon::{Daemon, between};
use crate::outlive::wait_for;
use crate::support::TestLab;

const MARKUP: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&";

#[test]
fn markup_in_a_lab_is_text() {
    let lab = TestLab::empty();
    lab.write("hl.toml", &format!("[lab]\nname = '''{MARKUP}'''\n"));
    lab.write(
        "layers/l1-test/layer.toml",
        &format!(
            "[layer]\nid = \"l1\"\nname = '''{MARKUP}'''\ndoc = '''{MARKUP}'''\n\n\
             [[recipe]]\nname = \"job\"\ndoc = '''{MARKUP}'''\n\
             params = [{{ name = \"word\", default = '''{MARKUP}''', doc = '''{MARKUP}''' }}]\n\n\
             [[recipe.step]]\nid = \"work\"\ndoc = '''{MARKUP}'''\nuse = \"command\"\n\
             with = {{ argv = [\"sh\", \"-c\", '''printf '%s\\033[31m\\n' \"$0\"; exit 3''', \"{{{{ word }}}}\"] }}\n"
        ),
    );
    let ran = lab.hl("job").run();
    assert_eq!(ran.code, 3, "{ran:?}");
    let daemon = Daemon::start(&lab);
    let operator = daemon.session(true);
    let runs = lab.hl("runs --json").exits(0).json();
    let id = runs["runs"][0]["id"].as_str().unwrap();
    let paths = [
        "/".to_owned(),
        "/runs".to_owned(),
        "/recipes/job".to_owned(),
        format!("/runs/{id}"),
        format!("/runs/{id}/logs/job/work"),
        format!("/runs/{id}/report"),
        "/login".to_owned(),
        format!("/login?link={}", "%3Cscript%3E"),
        "/recipes/%3Cscript%3Ealert(1)".to_owned(),
    ];
    for path in paths {
        let page = daemon.get(&path, &operator).body;
        assert!(page.starts_with("<!doctype html>"), "{path}: {page}");
        // The only script is the page's own, and it has no image.
        let own = "<script src=\"/assets/page.js\" defer></script>";
        let rest = page.replacen(own, "", 1);
        assert!(
            !rest.contains("<script") && !rest.contains("<img"),
            "{path}: {page}"
        );
        assert!(!page.contains('\u{1b}'), "{path}");
    }
    let log = daemon
        .get(&format!("/runs/{id}/logs/job/work"), &operator)
        .body;
    assert!(
        log.contains("&#60;script&#62;alert(1)&#60;/script&#62;"),
        "{log}"
    );
}

/// What a person copies is marked as code, and stands without backticks.
#[test]
fn commands_names_and_paths_are_code() {
    let lab = TestLab::empty();
    lab.write(
        "layers/l1-test/layer.toml",
        "[layer]\nid = \"l1\"\nname = \"Test\"\ndoc = \"Runs `true` & <b>\"\n\n\
         [[recipe]]\nname = \"job\"\ndoc = \"As `hl job` does\"\n\n\
         [[recipe.step]]\nid = \"work\"\nuse = \"command\"\nwith = { argv = [\"true\"] }\n",
    );
    let daemon = Daemon::start(&lab);
    let code = |page: &str, code: &str| {
        assert!(
            page.contains(&format!("<code>{code}</code>")),
            "{code}\n{page}"
        );
        assert!(!page.contains('`'), "{page}");
    };
    for path in ["/", "/runs"] {
        code(&daemon.get(path, "").body, "hl serve login");
    }
    let reader = daemon.session(false);
    let home = daemon.get("/", &reader).body;
    code(&home, &lab.root().display().to_string());
    code(&home, "hl job");
    assert!(
        home.contains("Runs <code>true</code> &#38; &#60;b&#62;"),
        "{home}"
    );
    code(&daemon.get("/recipes/job", &reader).body, "hl job");
    lab.hl("job").exits(0);
    let runs = lab.hl("runs --json").exits(0).json();
    let id = runs["runs"][0]["id"].as_str().unwrap();
    for path in [
        "/runs".to_owned(),
        format!("/runs/{id}"),
        format!("/runs/{id}/report"),
    ] {
        code(&daemon.get(&path, &reader).body, id);
    }
    let report = daemon.get(&format!("/runs/{id}/report"), &reader).body;
    code(&report, "job/work");
}

#[test]
fn secrets_of_the_lab_are_not_shown() {
    let lab = TestLab::empty();
    lab.write("state/secrets.env", "API_TOKEN=hunter22hunter22\n");
    lab.write(
        "layers/l1-test/layer.toml",
        "[layer]\nid = \"l1\"\nname = \"Test\"\ndoc = \"uses hunter22hunter22\"\n\n\
         [[recipe]]\nname = \"job\"\ndoc = \"says hunter22hunter22\"\n\n\
         [[recipe.step]]\nid = \"work\"\nuse = \"command\"\n\
         with = { argv = [\"sh\", \"-c\", \"echo $API_TOKEN\"], env = { API_TOKEN = \"{{ var.API_TOKEN }}\" } }\n",
    );
    std::fs::set_permissions(
        lab.path("state/secrets.env"),
        std::os::unix::fs::PermissionsExt::from_mode(0o600),
    )
    .unwrap();
    lab.hl("job").run();
    let daemon = Daemon::start(&lab);
    let reader = daemon.session(false);
    let home = daemon.get("/", &reader).body;
    assert!(
        home.contains("uses (secret)") && home.contains("says (secret)"),
        "{home}"
    );
    assert!(!home.contains("hunter22"));
    assert!(
        !daemon
            .get("/recipes/job", &reader)
            .body
            .contains("hunter22")
    );
}

#[test]
fn a_log_is_read_in_pieces() {
    let lab = TestLab::empty();
    lab.write(
        "layers/l1-test/layer.toml",
        "[layer]\nid = \"l1\"\nname = \"Test\"\n\n[[recipe]]\nname = \"job\"\n\n\
         [[recipe.step]]\nid = \"work\"\nuse = \"command\"\n\
         with = { argv = [\"sh\", \"-c\", \"seq 1 40000\"] }\n",
    );
    lab.hl("job").exits(0);
    let daemon = Daemon::start(&lab);
    let reader = daemon.session(false);
    let runs = lab.hl("runs --json").exits(0).json();
    let id = runs["runs"][0]["id"].as_str().unwrap();
    let path = format!("/runs/{id}/logs/job/work");
    let mut said = String::new();
    let mut from = "?from=0".to_owned();
    let mut pages = 0;
    loop {
        let page = daemon.get(&format!("{path}{from}"), &reader);
        assert_eq!(page.status, 200);
        assert!(page.body.len() < 200_000);
        said.push_str(between(&page.body, "<pre>", "</pre>"));
        pages += 1;
        if !page.body.contains("rel=\"next\"") {
            break;
        }
        let next = between(&page.body, "rel=\"next\" href=\"", "\"");
        next.clone_into(&mut from);
        assert!(pages < 20);
    }
    assert!(pages > 2);
    let lines: Vec<&str> = said.lines().collect();
    let numbers: Vec<String> = (1..=40_000).map(|number: u32| number.to_string()).collect();
    assert!(lines.ends_with(&numbers.iter().map(String::as_str).collect::<Vec<_>>()));
    let end = daemon.get(&format!("{path}?from=end"), &reader).body;
    assert!(end.contains("\n40000\n") && !end.contains("rel=\"next\""));
}

#[test]
fn runs_are_listed_in_pages_newest_first() {
    let lab = TestLab::empty();
    lab.write(
        "layers/l1-test/layer.toml",
        "[layer]\nid = \"l1\"\nname = \"Test\"\n\n[[recipe]]\nname = \"job\"\n\n\
         [[recipe.step]]\nid = \"work\"\nuse = \"command\"\nwith = { argv = [\"true\"] }\n",
    );
    lab.hl("job").exits(0);
    let runs = lab.hl("runs --json").exits(0).json();
    let id = runs["runs"][0]["id"].as_str().unwrap().to_owned();
    let text = lab.read(&format!("state/runs/{id}.yaml"));
    let ids: Vec<String> = (0..120).map(|n| format!("20200101-{n:06}-0000")).collect();
    for other in &ids {
        lab.write(
            &format!("state/runs/{other}.yaml"),
            &text.replace(&id, other),
        );
    }
    let daemon = Daemon::start(&lab);
    let reader = daemon.session(false);
    let mut seen = Vec::new();
    for number in 1..=3 {
        let page = daemon.get(&format!("/runs?page={number}"), &reader).body;
        let links = page.split("<th scope=\"row\"><a href=\"/runs/").skip(1);
        seen.extend(links.map(|link| link.split('"').next().unwrap().to_owned()));
        assert_eq!(page.contains("rel=\"next\""), number < 3);
        assert_eq!(page.contains("rel=\"prev\""), number > 1);
    }
    let mut wanted = ids;
    wanted.push(id);
    wanted.reverse();
    assert_eq!(seen, wanted);
    let none = daemon.get("/runs?page=9", &reader).body;
    assert!(none.contains("There are no older runs."));
}

#[test]
fn the_first_page_shows_the_lab_and_the_run_page_its_graph() {
    let lab = TestLab::shipped();
    let daemon = Daemon::start(&lab);
    let reader = daemon.session(false);
    let home = daemon.get("/", &reader).body;
    for part in [
        "L0",
        "L4",
        "Environments",
        "There is no run yet.",
        "lang=\"en\"",
        "<main",
    ] {
        assert!(home.contains(part), "{part}\n{home}");
    }
    let envs = hl::site::list(&hl::site::Tree::new(
        lab.path("site").to_str().unwrap(),
        "site",
    ));
    assert!(!envs.is_empty());
    for env in envs {
        assert!(home.contains(&format!("<h3>{env}")), "{env}\n{home}");
    }
    let operator = daemon.session(true);
    let form = daemon.get("/recipes/l2-apply", &operator).body;
    for default in ["dev", "PVE_NODE"] {
        let shown = format!("placeholder=\"{default}\"");
        assert!(form.contains(&shown), "{shown}\n{form}");
    }
    drop(daemon);
    let lab = TestLab::empty();
    let step = |id: &str, needs: &str| {
        format!(
            "[[recipe.step]]\nid = \"{id}\"\nuse = \"command\"\nneeds = [{needs}]\n\
             with = {{ argv = [\"true\"] }}\n"
        )
    };
    lab.write(
        "layers/l1-test/layer.toml",
        &format!(
            "[layer]\nid = \"l1\"\nname = \"Test\"\n\n[[recipe]]\nname = \"job\"\n\n{}{}{}{}",
            step("a", ""),
            step("b", "\"a\""),
            step("c", "\"a\""),
            step("d", "\"b\", \"c\""),
        ),
    );
    lab.hl("job").exits(0);
    let daemon = Daemon::start(&lab);
    let reader = daemon.session(false);
    let page = wait_for("the run is listed", || {
        let runs = lab.hl("runs --json").exits(0).json();
        let id = runs["runs"][0]["id"].as_str()?;
        Some(daemon.get(&format!("/runs/{id}"), &reader).body)
    });
    let id = between(&page, "<p class=\"sub\"><code>", "</code>");
    assert!(lab.hl("runs --json").exits(0).stdout.contains(id), "{id}");
    assert_eq!(page.matches("class=\"edge\"").count(), 4, "{page}");
    assert!(page.contains("4 of 4 steps"), "{page}");
    assert_eq!(page.matches("class=\"node\"").count(), 4);
    for step in ["a", "b", "c", "d"] {
        let shown = format!("data-step=\"job/{step}\" data-state=\"succeeded\"");
        assert_eq!(page.matches(&shown).count(), 2, "{step}");
    }
    let report = between(&page, "class=\"button\" href=\"", "\"");
    let report = daemon.get(report, &reader);
    assert_eq!(report.status, 200);
    assert!(report.body.contains("job/d") && report.body.contains("completed"));
}
