//! A running `hl sim` and a client that trusts it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use reqwest::blocking::{Client, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::TestLab;

pub(super) struct Sim {
    child: Child,
    pub(super) exports: BTreeMap<String, String>,
    client: Client,
}

/// How a simulator ended, and what it said.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) said: String,
}

impl Sim {
    pub(super) fn start(lab: &TestLab) -> Self {
        Self::with(lab, "--world world")
    }

    /// With other words on its command line than where it listens. It prints the
    /// variables of a lab.
    pub(super) fn with(lab: &TestLab, words: &str) -> Self {
        Self::with_args(lab, words, &[])
    }

    /// With arguments that have spaces, too.
    pub(super) fn with_args(lab: &TestLab, words: &str, args: &[&str]) -> Self {
        let mut hl = lab.hl("sim --listen 127.0.0.1:0").cmd(words);
        for arg in args {
            hl = hl.arg(*arg);
        }
        let mut child = hl
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut exports = BTreeMap::new();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in lines.map(Result::unwrap) {
            let (name, value) = exported(&line);
            exports.insert(name.clone(), value);
            if name == "DOPPLER" {
                break;
            }
        }
        if exports.is_empty() {
            let mut said = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut said)
                .unwrap();
            panic!("it did not start: {said}");
        }
        // Another test may have been first.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let ca = std::fs::read(&exports["PVE_CA_FILE"]).unwrap();
        let ca = reqwest::Certificate::from_pem(&ca).unwrap();
        let client = Client::builder()
            .tls_certs_only([ca])
            .timeout(Duration::from_mins(1))
            .build()
            .unwrap();
        Self {
            child,
            exports,
            client,
        }
    }

    /// A call that need not succeed.
    pub(super) fn send(
        &self,
        request: impl Fn(&Client, String) -> RequestBuilder,
        path: &str,
    ) -> reqwest::Result<reqwest::blocking::Response> {
        let url = format!("{}/api2/json{path}", self.exports["PVE_ACCESS_HOST"]);
        let token = format!(
            "PVEAPIToken={}={}",
            self.exports["PM_TOKEN_ID"], self.exports["PM_TOKEN_SECRET"]
        );
        request(&self.client, url)
            .header("Authorization", token)
            .send()
    }

    fn call(
        &self,
        request: impl Fn(&Client, String) -> RequestBuilder,
        path: &str,
    ) -> serde_json::Value {
        let answer = self.send(request, path).unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json::<serde_json::Value>().unwrap()["data"].clone()
    }

    pub(super) fn post(&self, path: &str, form: &[(&str, &str)]) -> serde_json::Value {
        self.call(|client, url| client.post(url).form(form), path)
    }

    pub(super) fn get(&self, path: &str) -> serde_json::Value {
        self.call(Client::get, path)
    }

    /// What it says until a line with this comes.
    pub(super) fn says(&mut self, part: &str) -> String {
        let stderr = self.child.stderr.as_mut().unwrap();
        let (mut line, mut byte) = (Vec::new(), [0]);
        while stderr.read(&mut byte).unwrap() == 1 {
            if byte != [b'\n'] {
                line.push(byte[0]);
                continue;
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            if text.contains(part) {
                return text;
            }
            line.clear();
        }
        panic!("it ended without saying `{part}`");
    }

    /// Its standard input ends.
    pub(super) fn close(&mut self) {
        drop(self.child.stdin.take());
    }

    /// A signal, as Ctrl-C is one.
    pub(super) fn interrupt(&self) {
        kill_process(self.pid(), Signal::INT).unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap()
    }

    /// Waits for its end.
    pub(super) fn ended(mut self) -> Ended {
        let until = Instant::now() + Duration::from_mins(1);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        Ended { status, said }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            kill_process(self.pid(), Signal::TERM).unwrap_or_default();
            self.child.wait().unwrap();
        }
    }
}

/// A line for a shell, as name and value.
pub(super) fn exported(line: &str) -> (String, String) {
    let (name, value) = line
        .strip_prefix("export ")
        .unwrap()
        .split_once('=')
        .unwrap();
    (name.to_owned(), value.trim_matches('\'').to_owned())
}
