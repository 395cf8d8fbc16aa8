//! `docs/runs.md` and `docs/engine.md`: their console examples, executed. What differs
//! from one run to the next is left out of the comparison: ids (those of the page stand
//! for the real ones, in their order), times, sizes, digests, who and where.
//!
//! `HL_BLESS=1` writes what the commands print into the page.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::ids;
use crate::e2e::ready;
use crate::support::TestLab;

/// Ids of the pages, in the order of their runs.
const IDS: [&str; 7] = [
    "20260304-101500-3f9c",
    "20260304-102030-a01b",
    "20260304-102107-77d2",
    "20260304-102240-c4e8",
    "20260304-103000-1d0e",
    "20260304-103105-5a7c",
    "20260304-103230-9be2",
];

/// What the page calls the node's access; nothing listens there.
const ACCESS: [(&str, &str); 3] = [
    ("PVE_ACCESS_HOST", "127.0.0.1:1"),
    ("PM_TOKEN_ID", "hl@pve!hl"),
    ("PM_TOKEN_SECRET", "0000"),
];

/// A command of the page and what it prints.
struct Example {
    command: String,
    prints: Vec<String>,
}

#[test]
fn every_console_example_of_the_page_prints_what_the_page_says() {
    // It shows how a plan of tofu is approved.
    if ready(false, &["tofu"]) {
        let lab = TestLab::empty();
        lab.write(
            "label/main.tf",
            "terraform {\n  backend \"local\" {}\n}\nresource \"terraform_data\" \"label\" {\n  input = \"notes\"\n}\n",
        );
        lab.write("label/vars.json", "{}");
        executes("docs/runs.md", &lab, 7);
    }
}

#[test]
fn what_outlives_hl_is_shown_as_it_is() {
    executes("docs/engine.md", &TestLab::empty(), 1);
}

/// Executes a page in a lab with its first block of TOML as a layer.
fn executes(page: &str, lab: &TestLab, runs: usize) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let page = fs::read_to_string(&path).unwrap();
    let layer = page.split("```toml\n").nth(1).unwrap().split("```").next();
    lab.write("layers/l2-backup/layer.toml", layer.unwrap());
    lab.write("notes/today", "nothing happened\n");
    let host = rustix::system::uname();
    let host = format!("me@{}", host.nodename().to_string_lossy());
    let mut real: Vec<String> = Vec::new();
    let mut written = String::new();
    let mut rest = page.as_str();
    while let Some((before, block)) = rest.split_once("```console\n") {
        let (block, after) = block.split_once("```").unwrap();
        writeln!(written, "{before}```console").unwrap();
        for example in examples(block) {
            let printed = run(lab, &to_real(&example.command, &real));
            let mut new = ids(lab);
            new.retain(|id| !real.contains(id));
            assert!(new.len() < 2, "{}: {new:?}", example.command);
            if let (true, Some(id)) = (example.command.ends_with(" --detach"), new.first()) {
                waits(lab, id);
            }
            real.extend(new);
            let printed = to_page(&printed, &real).replace(&host, "me@desk");
            writeln!(written, "$ {}", example.command).unwrap();
            written.push_str(&printed);
            if std::env::var_os("HL_BLESS").is_none() {
                // A step that takes long on a busy machine says so.
                let said = printed.lines().map(plain);
                let said = said.filter(|line| !is_about_time(line));
                let said: Vec<String> = said.collect();
                let wanted: Vec<String> = example.prints.iter().map(|line| plain(line)).collect();
                assert_eq!(said, wanted, "`{}` prints\n{printed}", example.command);
            }
        }
        written.push_str("```");
        rest = after;
    }
    written.push_str(rest);
    assert_eq!(real.len(), runs, "the page has other runs");
    if std::env::var_os("HL_BLESS").is_some() {
        fs::write(&path, written).unwrap();
    }
}

/// Said only where it takes long, or as one shell says it and another does not.
fn is_about_time(line: &str) -> bool {
    let recipes = ["backup/", "nap/", "label/", "copy/"];
    let mut words = line.split(' ');
    let verb = words.next().unwrap_or_default();
    let of_step = words
        .next()
        .is_some_and(|word| recipes.iter().any(|r| word.starts_with(r)));
    line.contains("Killed") || verb == "Waiting" || verb == "Running" && of_step
}

/// A detached run that ends, that asks, or whose program runs.
fn waits(lab: &TestLab, id: &str) {
    let until = Instant::now() + Duration::from_mins(2);
    loop {
        let journal = lab.read(&format!("state/runs/{id}.yaml"));
        let works = journal.contains("\"program\":\"sleep\"");
        if works || journal.contains("\"run_finished\"") {
            return;
        }
        let status = lab.hl("status --json").exits(0).json();
        if status["current"]["question"].is_object() {
            return;
        }
        assert!(Instant::now() < until, "{journal}");
        sleep(Duration::from_millis(20));
    }
}

fn examples(block: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for line in block.lines() {
        // A log begins with the command, behind `$ ` too.
        match (line.strip_prefix("$ "), examples.last_mut()) {
            (Some(command), _) if !command.starts_with("sh -c ") => examples.push(Example {
                command: command.to_owned(),
                prints: Vec::new(),
            }),
            (_, Some(example)) => example.prints.push(line.to_owned()),
            (_, None) => panic!("{line} stands before the first command"),
        }
    }
    examples
}

/// What a shell in the lab prints, both streams in their order.
fn run(lab: &TestLab, command: &str) -> String {
    let hl = Path::new(env!("CARGO_BIN_EXE_hl"));
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("exec 2>&1; {command}"));
    shell.current_dir(lab.root()).env_clear();
    for (name, value) in lab.hl("").command().get_envs() {
        shell.env(name, value.unwrap());
    }
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", hl.parent().unwrap().display());
    shell.env("PATH", path).env("USER", "me").env("TZ", "UTC");
    shell.envs(ACCESS);
    let output = shell.stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn to_real(text: &str, real: &[String]) -> String {
    exchange(
        text,
        IDS.iter().copied().zip(real.iter().map(String::as_str)),
    )
}

fn to_page(text: &str, real: &[String]) -> String {
    let pairs = || real.iter().map(String::as_str).zip(IDS.iter().copied());
    let mut text = exchange(text, pairs());
    for (real, page) in pairs() {
        text = text.replace(&minute(real), &minute(page));
    }
    text
}

/// When a run began, as people read it: `2026-03-04 10:15`.
fn minute(id: &str) -> String {
    let part = |range| id.get(range).unwrap();
    let date = format!("{}-{}-{}", part(0..4), part(4..6), part(6..8));
    format!("{date} {}:{}", part(9..11), part(11..13))
}

/// Puts one id and its last four digits for another one.
fn exchange<'a>(text: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let last = |id: &'a str| id.rsplit('-').next().unwrap();
    let mut text = text.to_owned();
    for (from, to) in pairs {
        text = text.replace(from, to);
        text = text
            .split_inclusive(|c: char| !c.is_ascii_alphanumeric())
            .map(|word| {
                let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
                if bare == last(from) {
                    word.replace(last(from), last(to))
                } else {
                    word.to_owned()
                }
            })
            .collect();
    }
    text
}

/// A line without what no two runs have in common.
fn plain(line: &str) -> String {
    let words = line.split_whitespace().filter_map(|word| {
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
        let hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if bare.len() > 60 && hex(bare) {
            return Some("N");
        }
        let number = bare.trim_end_matches(['s', 'm', 'h']);
        if number != bare && digits(&number.replace('.', "")) {
            return None;
        }
        if digits(&bare.replace(['-', ':', '.'], "")) && bare.len() > 2 {
            return Some("N");
        }
        Some(match bare {
            "B" | "KiB" => "B",
            "after" => return None,
            _ if word.ends_with(':') => word.trim_end_matches(':'),
            _ => word,
        })
    });
    words.collect::<Vec<_>>().join(" ")
}
