//! A tool writes a secret in disguise, and every place where its words end up
//! is looked at.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{Ran, TestLab};

/// With characters that shells, Python, HTML and URLs write in other ways.
const SECRET: &str = "CANARY-p&s/it's<ü>XQZW";

/// What is put between its characters.
const BETWEEN: &[&[u8]] = &[
    b"",
    b"\x1b[1;31m",
    b"\x1b[0m\x1b[K",
    b"\x1b]0;title\x07",
    b"\x1b]8;;http://x\x1b\\",
    b"\x1bPq\x1b\\",
    b"\x1b(B",
    b"\x1b7",
    b"\x1b",
    b"\x1b[",
    b"\0",
    b"\x07",
    b"\x08",
    b"\x7f",
    b"\x9b",
    "\u{9b}31m".as_bytes(),
    "\u{9b}".as_bytes(),
    "\u{85}".as_bytes(),
    "\u{200b}".as_bytes(),
    "\u{200d}\u{feff}".as_bytes(),
    "\u{2060}\u{ad}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{2066}\u{2069}".as_bytes(),
    "\u{fe0f}".as_bytes(),
    "\u{e0041}".as_bytes(),
    b"\0\x1b[\x003\x001\x00m\0",
];

/// The secret as tools write it.
const FORMS: &[&str] = &[
    "CANARY-p&s/it's<ü>XQZW",
    "CANARY-p&amp;s/it&#x27;s&lt;ü&gt;XQZW",
    "CANARY-p&amp;s/it&#39;s&lt;&#252;&gt;XQZW",
    "CANARY-p%26s%2Fit%27s%3C%C3%BC%3EXQZW",
    "CANARY-p%2526s%252Fit%2527s%253C%25C3%25BC%253EXQZW",
    "CANARY-p&s/it'\"'\"'s<ü>XQZW",
    "CANARY-p&s/it'\\''s<ü>XQZW",
    "CANARY-p\\&s/it\\'s\\<ü\\>XQZW",
    "CANARY-p&s/it's<\\xfc>XQZW",
    "CANARY-p&s/it\\'s<\\xc3\\xbc>XQZW",
    "CANARY-p\\u0026s/it's\\u003c\\u00fc\\u003eXQZW",
];

/// A lab whose recipe `leak` writes `said.bin` on both streams and fails.
fn lab(said: &[u8]) -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l1-t/layer.toml",
        r#"
[layer]
id = "l1"
name = "T"
doc = "t"
[[recipe]]
name = "leak"
doc = "d"
params = [{ name = "what", default = "" }]
[[recipe.step]]
id = "s"
use = "command"
with = { argv = ["sh", "-c", "cat said.bin; cat said.bin >&2; exit 4", "sh", "{{ what }}"] }
"#,
    );
    fs::write(lab.path("said.bin"), said).unwrap();
    lab
}

/// A line for each way of writing the secret, with something between its
/// characters.
fn disguised() -> Vec<u8> {
    let mut said = Vec::new();
    for between in BETWEEN {
        for form in FORMS {
            said.extend(b"token=");
            for c in form.chars() {
                said.extend(*between);
                said.extend(c.to_string().bytes());
            }
            said.extend(b"!\n");
        }
    }
    said
}

fn is_invisible(c: char) -> bool {
    c.is_control() && !matches!(c, '\n' | '\t')
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fffd}' | '\u{e0000}'..='\u{e0fff}')
}

/// A text as it is, and without what a reader does not see.
#[track_caller]
fn holds_nothing(what: &str, text: &str) {
    let visible: String = text.chars().filter(|c| !is_invisible(*c)).collect();
    for text in [text, &visible] {
        for form in FORMS {
            assert!(!text.contains(form), "{what} shows {form}");
        }
        // Nothing of it either, such as all but its first character.
        for piece in ["ANARY", "XQZW"] {
            let at = text
                .split_once(piece)
                .map(|(_, rest)| rest.chars().take(100));
            assert!(
                at.is_none(),
                "{what}: {:?}",
                at.map(Iterator::collect::<String>)
            );
        }
    }
}

/// What steers a terminal stands nowhere, not even said by number.
#[track_caller]
fn steers_nothing(what: &str, text: &str) {
    // Bytes that are no text, and variations of what stands before them, are seen.
    let odd = text
        .chars()
        .find(|c| is_invisible(*c) && !matches!(c, '\u{fffd}' | '\u{fe0f}'));
    assert!(odd.is_none(), "{what} holds {odd:?}");
    for number in ["\\u001b", "\\u009b", "\\u0000", "\\u202e", "\\e["] {
        assert!(!text.contains(number), "{what} holds {number}");
    }
}

#[track_caller]
fn silent(what: &str, ran: &Ran) {
    for (stream, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
        let what = format!("{stream} of hl {what}");
        holds_nothing(&what, text);
        steers_nothing(&what, text);
    }
}

/// Every file below a directory.
fn files(dir: &Path, look: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, look);
        } else {
            look(&path, &String::from_utf8_lossy(&fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn whatever_is_put_between_its_bytes_no_sink_shows_a_secret() {
    let lab = lab(&disguised());
    let hl = |words: &str| lab.hl(words).env("PM_TOKEN_SECRET", SECRET);
    for words in [
        "leak",
        "-v leak",
        "-q leak",
        "--output live leak",
        "--output group leak",
        "--json leak",
        "--events json leak",
        "--junit junit.xml leak",
    ] {
        let ran = hl(words).exits(4);
        silent(words, &ran);
        if words == "--output live leak" {
            ran.says(&["token=(secret)!"]);
        }
    }
    let github = hl("leak").env("GITHUB_ACTIONS", "true");
    silent(
        "leak for GitHub",
        &github.env("GITHUB_STEP_SUMMARY", "summary.md").exits(4),
    );
    for words in [
        "runs",
        "runs --json",
        "runs show",
        "runs show --json",
        "runs logs",
        "runs logs --json",
        "status --history",
        "status --json",
    ] {
        silent(words, &hl(words).exits(0));
    }
    let mut kept = 0;
    let mut look = |path: &Path, text: &str| {
        let what = path.display().to_string();
        holds_nothing(&what, text);
        steers_nothing(&what, text);
        kept += text.matches("token=(secret)!").count();
    };
    files(&lab.path("state"), &mut look);
    files(&lab.path("reports"), &mut look);
    for name in ["junit.xml", "summary.md"] {
        look(&lab.path(name), &lab.read(name));
    }
    // Each of nine runs has all lines of both streams in its log.
    assert!(kept > 9 * 2 * BETWEEN.len() * FORMS.len() / 2, "{kept}");
}

/// Variables that are no secret as a whole.
const PARTLY: &[(&str, &str, &str)] = &[
    (
        "PM_TOKEN_ID",
        "hl@pve!hl=CANARY-0b7e-XQZW",
        "hl@pve!hl=(secret)",
    ),
    (
        "DATABASE_URL",
        "postgres://me:CANARY%20XQZW@db/x",
        "postgres://me:(secret)@db/x",
    ),
    (
        "PVE_ACCESS_HOST",
        "https://root:CANARY-pve-XQZW@192.0.2.1:8006",
        "https://root:(secret)@192.0.2.1:8006",
    ),
];

#[test]
fn passwords_of_urls_and_whole_tokens_are_secrets() {
    let lab =
        lab(b"CANARY-0b7e-XQZW CANARY XQZW CANARY%20XQZW CANARY-pve-XQZW CANARY-argument-XQZW\n");
    let variables: Vec<String> = PARTLY
        .iter()
        .map(|(name, value, _)| format!("{name}=\"{value}\"\n"))
        .collect();
    lab.write(".env", &variables.concat());
    fs::set_permissions(lab.path(".env"), fs::Permissions::from_mode(0o600)).unwrap();
    let ran = lab.hl("env").exits(0);
    silent("env", &ran);
    let json = lab.hl("env --json").exits(0);
    silent("env --json", &json);
    let rows = json.json()["variables"].clone();
    for (name, _, shown) in PARTLY {
        ran.says(&[shown]);
        let row = rows
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["name"] == *name);
        assert_eq!(row.unwrap()["value"], *shown);
    }
    let ran = lab
        .hl("-v leak https://me:CANARY-argument-XQZW@host/x")
        .exits(4);
    silent("leak", &ran);
    ran.says(&[
        "(secret) (secret) (secret) (secret) (secret)",
        "https://me:(secret)@host/x",
    ]);
    // Nor what is wrong before anything runs.
    for words in [
        "l0-runwya https://me:CANARY-argument-XQZW@host",
        "leak a https://me:CANARY-argument-XQZW@host",
    ] {
        silent(words, &lab.hl(words).run());
    }
    for dir in ["state", "reports"] {
        files(&lab.path(dir), &mut |path, text| {
            holds_nothing(&path.display().to_string(), text);
        });
    }
}

#[test]
fn an_argument_steers_no_terminal() {
    let lab = lab(b"");
    let odd = "esc\u{1b}[31m\u{9b}2m\u{202e}X";
    for words in [
        "leak",
        "plan leak",
        "show leak",
        "leak x",
        "plan leak x",
        "",
    ] {
        let ran = lab.hl(words).arg(odd).run();
        for text in [&ran.stdout, &ran.stderr] {
            assert!(!text.contains(is_invisible), "hl {words}: {text:?}");
        }
    }
    // The command that goes on can be typed again as it stands.
    let again = r"`hl leak $'esc\e[31m\U0000009b2m\U0000202eX'`";
    let ran = lab
        .hl("leak")
        .arg(odd)
        .env("PM_TOKEN_SECRET", "CANARY-XQZW")
        .exits(4);
    assert!(
        ran.stderr.contains("hl resume ") || ran.stderr.contains(again),
        "{}",
        ran.stderr
    );
    let ran = lab.hl("leak https://me:CANARY-XQZW@host --").arg(odd).run();
    silent("leak with a URL", &ran);
}
