//! Debian's chromium without a screen, spoken to over its debugging pipe.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::outlive::wait_for;

/// The longest wait for an answer of the browser.
const LIMIT: Duration = Duration::from_mins(1);

/// A browser with one page, killed when this is dropped.
pub(super) struct Chromium {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: String,
    number: u64,
    /// Pages that were loaded.
    loads: u32,
    /// What the page and the browser complained about.
    pub(super) complaints: Vec<String>,
    _profile: TempDir,
}

/// The browser's program.
pub(super) fn program() -> String {
    std::env::var("HL_CHROMIUM").unwrap_or_else(|_| "chromium".to_owned())
}

impl Chromium {
    pub(super) fn start() -> Self {
        let profile = TempDir::new().unwrap();
        // It reads commands from descriptor 3 and answers on 4.
        let mut child = Command::new("sh")
            .args([
                "-c",
                "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1",
            ])
            .arg(program())
            .args([
                "--headless",
                "--remote-debugging-pipe",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--ignore-certificate-errors",
                "--no-first-run",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, from) = channel();
        let answers = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for answer in answers.split(0).map_while(Result::ok) {
                let answer = serde_json::from_slice(&answer).unwrap();
                if sender.send(answer).is_err() {
                    return;
                }
            }
        });
        let mut browser = Self {
            to: child.stdin.take().unwrap(),
            child,
            from,
            session: String::new(),
            number: 0,
            loads: 0,
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let target = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", target);
        attached["sessionId"]
            .as_str()
            .unwrap()
            .clone_into(&mut browser.session);
        for domain in ["Page", "Runtime", "Log", "DOM"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// A command and its result.
    #[track_caller]
    pub(super) fn call(&mut self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params);
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    /// A command and its answer, which may be an error.
    #[track_caller]
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.number += 1;
        let mut message = json!({ "id": self.number, "method": method });
        message["params"] = params;
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        let mut text = message.to_string().into_bytes();
        text.push(0);
        self.to.write_all(&text).unwrap();
        loop {
            let answer = self.from.recv_timeout(LIMIT);
            let answer = answer.unwrap_or_else(|error| panic!("{method}: {error}"));
            if answer["id"] == self.number {
                return answer;
            }
            self.note(&answer);
        }
    }

    fn note(&mut self, event: &Value) {
        let said = match event["method"].as_str() {
            Some("Page.loadEventFired") => {
                self.loads += 1;
                return;
            }
            Some("Runtime.exceptionThrown") => &event["params"]["exceptionDetails"],
            Some("Log.entryAdded") if event["params"]["entry"]["level"] == "error" => {
                &event["params"]["entry"]["text"]
            }
            _ => return,
        };
        self.complaints.push(said.to_string());
    }

    /// Opens a page, and waits until it is there.
    #[track_caller]
    pub(super) fn open(&mut self, url: &str) {
        let before = self.loads;
        let opened = self.call("Page.navigate", json!({ "url": url }));
        assert!(opened["errorText"].is_null(), "{url}: {opened}");
        wait_for("the page is loaded", || {
            self.html();
            (self.loads > before).then_some(())
        });
    }

    /// The page as it is now, with what its script did.
    pub(super) fn html(&mut self) -> String {
        let root = self.ask("DOM.getDocument", json!({ "depth": 0 }));
        let root = json!({ "nodeId": root["result"]["root"]["nodeId"] });
        // A page that goes away meanwhile has no text.
        let html = self.ask("DOM.getOuterHTML", root);
        let html = html["result"]["outerHTML"].as_str();
        html.unwrap_or_default().to_owned()
    }

    /// Waits until all of this is on the page.
    #[track_caller]
    pub(super) fn sees(&mut self, parts: &[&str]) -> String {
        wait_for(&format!("the page shows {parts:?}"), || {
            let html = self.html();
            let all = parts.iter().all(|part| html.contains(part));
            if !all {
                thread::sleep(Duration::from_millis(50));
            }
            all.then_some(html)
        })
    }

    /// Presses what the selector finds, as a finger does.
    #[track_caller]
    pub(super) fn press(&mut self, selector: &str) {
        let root = self.call("DOM.getDocument", json!({ "depth": 0 }));
        let asked = json!({ "nodeId": root["root"]["nodeId"], "selector": selector });
        let found = self.call("DOM.querySelector", asked);
        let node = json!({ "nodeId": found["nodeId"] });
        self.call("DOM.scrollIntoViewIfNeeded", node.clone());
        let quads = self.call("DOM.getContentQuads", node);
        let corner = |index: usize| quads["quads"][0][index].as_f64().unwrap();
        let (x, y) = (
            f64::midpoint(corner(0), corner(4)),
            f64::midpoint(corner(1), corner(5)),
        );
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": x, "y": y, "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// What an expression gives in the page; promises are waited for.
    #[track_caller]
    pub(super) fn value(&mut self, expression: &str) -> Value {
        let asked =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let given = self.call("Runtime.evaluate", asked);
        assert!(given["exceptionDetails"].is_null(), "{given}");
        given["result"]["value"].clone()
    }

    /// Columns and colours of the screen.
    pub(super) fn screen(&mut self, width: u32, scheme: &str) {
        let size =
            json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [feature] }),
        );
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
