//! Paths and headers that nobody should send: no byte from outside, and always an answer.

use std::fmt::Write as _;

use super::stage::{REPO_TOKEN, Stage};
use crate::support::{Answer, Client, Daemon};

/// Requests.
const COUNT: usize = 10_000;

/// What paths are made of.
const PIECES: [&str; 44] = [
    "..",
    ".",
    "/",
    "//",
    "\\",
    "%2e%2e",
    "%2E.",
    "%2f",
    "%5c",
    "%252e%252e%252f",
    "%00",
    "\0",
    "%c0%ae%c0%ae",
    "%uff0e",
    "..;",
    "spec",
    "specs",
    "health",
    "secrets",
    "secrets.yaml",
    "site",
    "v2",
    "edge",
    "base",
    "vault1",
    "hl.toml",
    "etc",
    "passwd",
    "proc",
    "self",
    "environ",
    ".git",
    "site-config.git",
    "objects",
    "info",
    "refs",
    "HEAD",
    "runs",
    "login",
    "assets",
    "?",
    "#",
    "\u{e4}",
    "~root",
];

/// Names of headers, some of which are looked at.
const HEADERS: [&str; 12] = [
    "Authorization",
    "Host",
    "Cookie",
    "Origin",
    "Accept",
    "Range",
    "If-None-Match",
    "X-Forwarded-For",
    "Accept-Encoding",
    "Last-Event-ID",
    "Sec-Fetch-Site",
    "User-Agent",
];

const METHODS: [&str; 10] = [
    "GET", "GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW",
];

/// What must be in no answer: secrets, and what stands in files outside.
const OUTSIDE: [&str; 8] = [
    "stage-shared-7f3a",
    "tok-vault1-91",
    "tok-edge-55",
    "11111111-aaaa",
    "saltsalt",
    "root:x:0",
    REPO_TOKEN,
    "canary-of-the-lab",
];

/// The same requests in each run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(most).unwrap()).unwrap()
    }

    fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    fn path(&mut self) -> String {
        let mut path = String::from(if self.below(20) == 0 { "" } else { "/" });
        for _ in 0..=self.below(9) {
            path.push_str(self.of(&PIECES));
            if self.below(2) == 0 {
                path.push('/');
            }
        }
        match self.below(200) {
            0 => path.push_str(&"/..".repeat(3000)),
            1 => path.push_str(&"a".repeat(30_000)),
            2 => path.push_str(&"%2e%2e%2f".repeat(12_000)),
            3 => path.insert_str(0, "https://evil.example"),
            4 => path.push(' '),
            5 => path.push('\u{7f}'),
            _ => {}
        }
        path
    }

    fn header(&mut self) -> String {
        let name = self.of(&HEADERS);
        match self.below(40) {
            0 => format!("{name}: {}\r\n", "x".repeat(20_000)),
            1 => format!("{name}: {}\r\n", "x".repeat(100_000)),
            2 => format!("{name}\r\n"),
            3 => format!("{name}: a\0b\r\n"),
            4 => format!("{name} : a\r\n"),
            5 => format!("Bad\u{e4}: {name}\r\n"),
            6 => (0..150).fold(String::new(), |mut all, n| {
                write!(all, "X-{n}: y\r\n").unwrap();
                all
            }),
            7 => format!("{name}: Bearer {}\r\n", self.of(&["", "x", "..", "\u{e4}"])),
            8 => format!("{name}: 127.0.0.1:1\r\n"),
            _ => format!("{name}: {}\r\n", self.path().replace(['\0', '\u{7f}'], "")),
        }
    }

    fn request(&mut self) -> (String, String) {
        let method = self.of(&METHODS).to_owned();
        let mut request = format!("{method} {} HTTP/1.1\r\n", self.path());
        if self.below(10) > 0 {
            request.push_str("Host: 127.0.0.1\r\n");
        }
        for _ in 0..self.below(4) {
            request.push_str(&self.header());
        }
        request.push_str("\r\n");
        (method, request)
    }
}

fn shown(request: &str) -> String {
    request.escape_debug().take(300).collect()
}

/// What the documentation promises of any answer.
fn look_at(answer: &Answer, is_head: bool, request: &str) {
    let (text, what) = (answer.text(), shown(request));
    for outside in OUTSIDE {
        assert!(
            !text.contains(outside),
            "{outside} is in the answer to {what}"
        );
    }
    assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
    assert_eq!(answer.header("server"), "", "{what}");
    if is_head {
        return;
    }
    assert!(
        !answer.body.is_empty() || answer.status < 400,
        "{what}: no body"
    );
    let kind = answer.header("content-type");
    if kind.starts_with("application/json") && answer.status >= 400 {
        answer.code();
    } else if answer.status >= 400 {
        // A page for a person, where the path is one of the page's.
        assert!(kind.starts_with("text/html"), "{what}: {kind}\n{text}");
    }
    assert_ne!(answer.status, 500, "{what}\n{text}");
}

#[test]
fn ten_thousand_odd_requests_are_answered_and_show_nothing() {
    let stage = Stage::new();
    stage
        .lab
        .write("state/secrets.env", "X=canary-of-the-lab\n");
    stage.lab.write("canary", "canary-of-the-lab\n");
    let daemon = stage.serve();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut client = daemon.connect();
    let (mut refused, mut statuses) = (0, std::collections::BTreeMap::new());
    for _ in 0..COUNT {
        let (method, request) = random.request();
        let is_head = method == "HEAD";
        let answer = answer(&daemon, &mut client, &request, is_head);
        look_at(&answer, is_head, &request);
        *statuses.entry(answer.status).or_insert(0) += 1;
        if answer.header("connection") == "close" {
            refused += 1;
            client = daemon.connect();
        }
    }
    // Most of them came over the same connection, and all kinds were met.
    assert!(refused < COUNT / 2, "{refused}");
    for status in [200, 400, 401, 405, 431] {
        assert!(statuses.contains_key(&status), "{status}: {statuses:?}");
    }
    assert_eq!(daemon.get("/health").status, 200);
    let log = daemon.log();
    assert!(!log.contains("a bug") && !log.contains("panicked"), "{log}");
}

/// Says a request, and reads its answer. The server may answer before it has read all.
fn answer(daemon: &Daemon, client: &mut Client, request: &str, is_head: bool) -> Answer {
    let said = client.say(request.as_bytes());
    let answer = client.answer(is_head);
    answer.unwrap_or_else(|error| {
        let log = daemon.log();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        panic!(
            "no answer ({error}, said: {said:?}) to {}\n{}",
            shown(request),
            last.join("\n")
        )
    })
}

/// Targets and versions that HTTP knows and nobody needs.
#[test]
fn odd_targets_are_answered_too() {
    let stage = Stage::new();
    let daemon = stage.serve();
    for (line, status) in [
        ("OPTIONS * HTTP/1.1", 401),
        ("CONNECT 127.0.0.1:1 HTTP/1.1", 401),
        ("GET https://evil.example/health HTTP/1.1", 200),
        ("GET https://evil.example/ HTTP/1.1", 421),
        ("GET https://evil.example/runs HTTP/1.1", 421),
        ("GET https://evil.example/favicon.ico HTTP/1.1", 401),
        ("GET https://evil.example/x.git/HEAD HTTP/1.1", 401),
        ("GET health HTTP/1.1", 400),
        ("GET /health HTTP/1.0", 200),
        ("GET /health HTTP/0.9", 400),
        ("PRI * HTTP/2.0", 400),
        ("get /health HTTP/1.1", 405),
    ] {
        let request = format!("{line}\r\nHost: 127.0.0.1\r\n\r\n");
        let answer = answer(&daemon, &mut daemon.connect(), &request, false);
        look_at(&answer, false, &request);
        assert_eq!(answer.status, status, "{line}: {}", answer.text());
    }
    assert_eq!(daemon.get("/health").status, 200);
}

#[test]
fn a_body_has_a_limit_and_is_not_waited_for() {
    let stage = Stage::new();
    let daemon = stage.serve();
    let mut client = daemon.connect();
    let head = "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n";
    client.say(head.as_bytes()).unwrap();
    let answer = client.answer(false).unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (413, "E100"));
    // Where nobody reads it, it is not waited for.
    let mut client = daemon.connect();
    let head = "POST /health HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n";
    client.say(head.as_bytes()).unwrap();
    assert_eq!(client.answer(false).unwrap().status, 405);
}
