//! The page in a real browser: the first test always, all of them by `scripts/proof
//! browser`. What is seen is written as pictures into `HL_SHOTS`, where that is set;
//! `HL_AXE` is the file `axe.min.js`.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::chromium::{Chromium, program};
use super::daemon::Daemon;
use super::live::lab as waiting_lab;
use crate::e2e::ready;
use crate::outlive::{lab_with_a_plan, lost, wait_for};
use crate::support::TestLab;

/// Whether axe is there, as [`ready`] says it of programs.
#[expect(clippy::print_stderr, reason = "a skip is said")]
fn ready_for_axe() -> bool {
    let axe = std::env::var_os("HL_AXE");
    if axe.is_some_and(|path| Path::new(&path).is_file()) {
        return true;
    }
    let missing = "HL_AXE names no file: eval \"$(scripts/tools --print-env)\"";
    assert!(
        std::env::var_os("HL_TESTS_NEED_ALL").is_none() && std::env::var_os("CI").is_none(),
        "{missing}"
    );
    eprintln!("skipped: {missing}");
    false
}

/// Opens the page by a link and its button.
fn log_in(browser: &mut Chromium, daemon: &Daemon<'_>) {
    browser.open(&format!("{}{}", daemon.url, daemon.link(true)));
    browser.press("main button");
    browser.sees(&["Environments", "operator"]);
}

/// Looks at a page on a telephone and a screen, in light and dark: nothing is wider than
/// the screen, and axe finds nothing serious.
fn look(browser: &mut Chromium, name: &str, url: &str) {
    let axe = fs::read_to_string(std::env::var("HL_AXE").unwrap()).unwrap();
    for width in [360, 1280] {
        for scheme in ["light", "dark"] {
            browser.screen(width, scheme);
            browser.open(url);
            let wider = "document.documentElement.scrollWidth - window.innerWidth";
            let wider = browser.value(wider);
            assert!(
                wider.as_i64().unwrap() <= 0,
                "{name} is wider than {width}: {wider}"
            );
            // Sizes are of the width, colours of the scheme: two of the four have all.
            let judged = (width == 360) == (scheme == "light");
            if judged {
                browser.value(&format!("{axe}; 0"));
                let found = browser.value("axe.run(document).then((all) => all.violations)");
                let serious: Vec<&Value> = found
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|found| {
                        ["serious", "critical"].contains(&found["impact"].as_str().unwrap())
                    })
                    .collect();
                assert!(
                    serious.is_empty(),
                    "{name}, {width}, {scheme}: {serious:#?}"
                );
            }
            if let Some(dir) = std::env::var_os("HL_SHOTS") {
                let size = browser.call("Page.getLayoutMetrics", json!({}));
                let height = &size["cssContentSize"]["height"];
                let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
                let asked = json!({ "captureBeyondViewport": true, "clip": clip });
                let shot = browser.call("Page.captureScreenshot", asked);
                let shot = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
                let file = format!("{name}-{width}-{scheme}.png");
                fs::write(Path::new(&dir).join(file), shot).unwrap();
            }
        }
    }
    browser.screen(1280, "light");
}

fn run_of(lab: &TestLab, words: &str) -> Option<String> {
    let document = lab.hl(words).exits(0).json();
    document["runs"][0]["id"].as_str().map(str::to_owned)
}

/// A sample of the proof, which runs with all other tests.
#[test]
fn a_rehearsal_is_watched_from_start_to_end() {
    if !ready(true, &["unshare", &program()]) || !ready_for_axe() {
        return;
    }
    let lab = waiting_lab();
    let daemon = Daemon::start(&lab);
    let mut browser = Chromium::start();
    log_in(&mut browser, &daemon);
    let rehearsal = lab.hl("rehearse job").spawn();
    let id = wait_for("the rehearsal is listed", || {
        run_of(&lab, "runs --rehearsal --json")
    });
    let url = format!("{}/runs/{id}", daemon.url);
    browser.open(&url);
    browser.value("window.same = true");
    browser.sees(&["data-step=\"job/second\" data-state=\"running\""]);
    look(&mut browser, "running", &url);
    browser.open(&url);
    browser.value("window.same = true");
    fs::write(lab.path("go"), "").unwrap();
    let html = browser.sees(&["The run is over.", ">succeeded</span>"]);
    for step in ["first", "second", "third"] {
        let shown = format!("data-step=\"job/{step}\" data-state=\"succeeded\"");
        assert_eq!(html.matches(&shown).count(), 2, "{step}\n{html}");
    }
    // It is the page that was opened, and it was never loaded again.
    assert_eq!(browser.value("window.same"), true);
    assert_eq!(browser.complaints, Vec::<String>::new());
    rehearsal.wait_with_output().unwrap();
    look(&mut browser, "over", &url);
    look(&mut browser, "report", &format!("{url}/report"));
    look(&mut browser, "log", &format!("{url}/logs/job/first"));
    look(
        &mut browser,
        "rehearsals",
        &format!("{}/runs?of=rehearsal", daemon.url),
    );
}

#[test]
#[ignore = "long: `scripts/proof browser`"]
fn an_approval_is_given_in_the_page() {
    let lab = lost("");
    let daemon = Daemon::start(&lab);
    let mut browser = Chromium::start();
    log_in(&mut browser, &daemon);
    let id = daemon.run("resume --detach").exits(0).stdout;
    let url = format!("{}/runs/{}", daemon.url, id.trim());
    browser.open(&url);
    browser.sees(&["It waits for an answer", "run <code>job/work</code> again?"]);
    look(&mut browser, "asked", &url);
    look(&mut browser, "overview-asked", &format!("{}/", daemon.url));
    browser.open(&url);
    browser.press(".ask .primary");
    browser.sees(&[">succeeded</span>"]);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
#[ignore = "long: `scripts/proof browser`"]
fn a_run_is_stopped_and_one_is_watched_without_script() {
    let lab = waiting_lab();
    let daemon = Daemon::start(&lab);
    let mut browser = Chromium::start();
    log_in(&mut browser, &daemon);
    let id = daemon.run("job --detach").exits(0).stdout;
    browser.open(&format!("{}/runs/{}", daemon.url, id.trim()));
    browser.sees(&["data-step=\"job/second\" data-state=\"running\""]);
    browser.press(".acts .danger");
    browser.sees(&[">cancelled</span>"]);
    let off = |value: bool| json!({ "value": value });
    browser.call("Emulation.setScriptExecutionDisabled", off(true));
    let id = daemon.run("job --detach").exits(0).stdout;
    browser.open(&format!("{}/runs/{}", daemon.url, id.trim()));
    browser.sees(&[
        "data-step=\"job/second\" data-state=\"running\"",
        "loaded again",
    ]);
    fs::write(lab.path("go"), "").unwrap();
    // The browser loads the page again by itself.
    browser.sees(&[">succeeded</span>"]);
    browser.call("Emulation.setScriptExecutionDisabled", off(false));
    for (name, path) in [
        ("overview", "/"),
        ("runs", "/runs"),
        ("recipe", "/recipes/job"),
    ] {
        look(&mut browser, name, &format!("{}{path}", daemon.url));
    }
    look(
        &mut browser,
        "link",
        &format!("{}{}", daemon.url, daemon.link(false)),
    );
    browser.call("Network.clearBrowserCookies", json!({}));
    look(&mut browser, "closed", &format!("{}/", daemon.url));
    look(&mut browser, "refused", &format!("{}/runs", daemon.url));
}

#[test]
#[ignore = "long: `scripts/proof browser`"]
fn a_whole_lab_fits_on_a_telephone() {
    let lab = TestLab::shipped();
    let daemon = Daemon::start(&lab);
    let mut browser = Chromium::start();
    log_in(&mut browser, &daemon);
    for (name, path) in [("lab", "/"), ("lab-recipe", "/recipes/l2-apply")] {
        look(&mut browser, name, &format!("{}{path}", daemon.url));
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
#[ignore = "long: `scripts/proof browser`"]
fn what_a_plan_would_do_is_seen_before_a_no() {
    if !ready(true, &["unshare", "ssh-keygen", "tofu"]) {
        return;
    }
    let lab = lab_with_a_plan();
    let daemon = Daemon::start(&lab);
    let mut browser = Chromium::start();
    log_in(&mut browser, &daemon);
    let id = daemon.run("rehearse --ask --detach make").exits(0).stdout;
    let url = format!("{}/runs/{}", daemon.url, id.trim());
    browser.open(&url);
    browser.sees(&["It waits for an answer", "terraform_data.label"]);
    look(&mut browser, "plan", &url);
    browser.open(&url);
    browser.press(".ask .danger");
    browser.sees(&["<dd>77</dd>"]);
    look(&mut browser, "rejected", &url);
    assert_eq!(browser.complaints, Vec::<String>::new());
}
