//! A controller that runs in a lab, and a browser without a screen.

use std::time::Duration;

use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::redirect::Policy;
use rustix::process::Signal;

use crate::support::{Daemon as Server, Hl, TestLab};

/// What opens its repositories.
pub(super) const REPO_TOKEN: &str = "repo-token-of-the-test";

/// A controller, killed when this is dropped.
pub(super) struct Daemon<'a> {
    pub(super) lab: &'a TestLab,
    server: Server,
    /// `https://HOST:PORT`
    pub(super) url: String,
    pub(super) port: u16,
    client: Client,
}

/// An answer, read.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: String,
}

impl<'a> Daemon<'a> {
    pub(super) fn start(lab: &'a TestLab) -> Self {
        // It serves specs, too: a lab that has none is given a place for them.
        if !lab.path("site").exists() {
            lab.write("site/site.yaml", "defaults: {}\n");
        }
        Self::of(lab, lab.hl("serve"))
    }

    /// One that this command starts, with more flags.
    pub(super) fn of(lab: &'a TestLab, command: Hl) -> Self {
        let command = own(lab, command);
        let server = Server::start(&command.env("HL_REPO_TOKEN", REPO_TOKEN));
        // Another test may have been first.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
        let client = Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .redirect(Policy::none())
            .timeout(Duration::from_mins(1))
            .build()
            .unwrap();
        let port = server.port();
        Self {
            lab,
            server,
            url: format!("https://127.0.0.1:{port}"),
            port,
            client,
        }
    }

    /// Ends it as systemd does. What it logged.
    pub(super) fn stop(mut self) -> String {
        self.server.signal(Signal::TERM);
        assert_eq!(self.server.ended(), Some(0), "{}", self.server.log());
        self.server.whole_log()
    }

    /// `hl` of the daemon's user, about this daemon.
    pub(super) fn hl(&self, words: &str) -> Hl {
        let command = self.lab.hl(words);
        own(self.lab, command).cmd(&format!("--port {}", self.port))
    }

    /// `hl` with the same place for sockets: who answers a run finds it there.
    pub(super) fn run(&self, words: &str) -> Hl {
        own(self.lab, self.lab.hl(words))
    }

    /// A link.
    pub(super) fn link(&self, operate: bool) -> String {
        let words = if operate {
            "serve login --operate"
        } else {
            "serve login"
        };
        let said = self.hl(words).exits(0).stdout;
        let link = said.trim().to_owned();
        let (_, path) = link.split_once("/login?link=").unwrap();
        format!("/login?link={path}")
    }

    /// A session: what the browser sends as its cookie.
    pub(super) fn session(&self, operate: bool) -> String {
        let link = self.link(operate);
        let entered = self.enter(&link);
        assert_eq!(entered.status, 303, "{}", entered.body);
        let cookie = entered.headers["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    /// Presses the button of a link.
    pub(super) fn enter(&self, link: &str) -> Answer {
        let (_, token) = link.split_once("link=").unwrap();
        read(self.request("POST", "/login").form(&[("link", token)]))
    }

    /// A request as a browser on a page of the daemon makes it.
    pub(super) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = method.parse().unwrap();
        let url = format!("{}{path}", self.url);
        self.client
            .request(method, url)
            .header("Origin", self.url.clone())
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn get(&self, path: &str, session: &str) -> Answer {
        read(self.request("GET", path).header("Cookie", session))
    }

    /// Sends the form of a page, with its token and what is typed.
    pub(super) fn send(
        &self,
        page: &str,
        path: &str,
        session: &str,
        typed: &[(&str, &str)],
    ) -> Answer {
        let csrf = csrf(&self.get(page, session).body);
        let mut fields = vec![("csrf", csrf.as_str())];
        fields.extend(typed);
        let request = self.request("POST", path).header("Cookie", session);
        read(request.form(&fields))
    }
}

/// Sockets lie in the lab's own directory.
fn own(lab: &TestLab, command: Hl) -> Hl {
    command.env("XDG_RUNTIME_DIR", lab.root().display().to_string())
}

pub(super) fn read(request: RequestBuilder) -> Answer {
    let response: Response = request.send().unwrap();
    Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().unwrap(),
    }
}

/// What the forms of a page carry.
pub(super) fn csrf(page: &str) -> String {
    between(page, "name=\"csrf\" value=\"", "\"").to_owned()
}

#[track_caller]
pub(super) fn between<'t>(text: &'t str, before: &str, after: &str) -> &'t str {
    let found = text.split_once(before);
    let (_, rest) = found.unwrap_or_else(|| panic!("no `{before}` in\n{text}"));
    rest.split_once(after).unwrap().0
}
