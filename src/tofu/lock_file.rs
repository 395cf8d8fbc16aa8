//! A lock file beside what its module asks for: which provider is locked in a version
//! that the module does not take any more.
//!
//! Only what is plainly so counts: a constraint that is not understood here is tofu's to
//! judge.

use std::cmp::Ordering;

use semver::Version;

/// A provider with a version, or with what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Provider {
    /// `bpg/proxmox`, behind the host name of a registry where one is written.
    source: String,
    /// `0.111.1`, or `>= 0.100, < 1.0`.
    version: String,
}

/// Whether a lock file locks a provider.
pub fn locks_any(lock: &str) -> bool {
    !locked(lock).is_empty()
}

/// The first provider that is locked in a version which the files of a module refuse, as
/// it is told.
pub fn stale<'m>(lock: &str, module: impl IntoIterator<Item = &'m str>) -> Option<String> {
    let locked = locked(lock);
    module.into_iter().flat_map(required).find_map(|asked| {
        let held = locked.iter().find(|held| is_of(held, &asked))?;
        let refused = fits(&held.version, &asked.version) == Some(false);
        refused.then(|| {
            let Provider { source, version } = &asked;
            format!(
                "`{source}` is locked at {}, asked for is `{version}`",
                held.version
            )
        })
    })
}

/// Whether a locked provider is the one that is asked for: the registry depends on the
/// tool that wrote the lock file.
fn is_of(held: &Provider, asked: &Provider) -> bool {
    let last_two = |source: &str| -> Vec<String> {
        let mut parts: Vec<String> = source.rsplit('/').take(2).map(str::to_lowercase).collect();
        if parts.len() == 1 {
            parts.push("hashicorp".to_owned());
        }
        parts
    };
    last_two(&held.source) == last_two(&asked.source)
}

/// `provider "ADDRESS" { version = "..." }`
fn locked(text: &str) -> Vec<Provider> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let (Token::Word(word), Some(Token::Text(source))) = (token, tokens.get(at + 1)) else {
            continue;
        };
        if word != "provider" || tokens.get(at + 2) != Some(&Token::Mark('{')) {
            continue;
        }
        if let Some(version) = value(&tokens[at + 2..], "version") {
            found.push(Provider {
                source: source.clone(),
                version,
            });
        }
    }
    found
}

/// `required_providers { NAME = { source = "...", version = "..." } }`
fn required(text: &str) -> Vec<Provider> {
    let tokens = tokens(text);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if *token != Token::Word("required_providers".to_owned()) {
            continue;
        }
        let block = inside(&tokens[at + 1..]);
        for (at, token) in block.iter().enumerate() {
            let opens = [Token::Mark('='), Token::Mark('{')];
            if let Token::Word(_) = token
                && block.get(at + 1..at + 3) == Some(opens.as_slice())
                && let Some(source) = value(&block[at + 2..], "source")
                && let Some(version) = value(&block[at + 2..], "version")
            {
                found.push(Provider { source, version });
            }
        }
    }
    found
}

/// What stands in the braces that tokens begin with; nothing where they do not.
fn inside(tokens: &[Token]) -> &[Token] {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Mark('{') => depth += 1,
            Token::Mark('}') => depth = depth.saturating_sub(1),
            Token::Mark(_) | Token::Word(_) | Token::Text(_) => {}
        }
        if depth == 0 {
            return tokens.get(1..at).unwrap_or_default();
        }
    }
    &[]
}

/// `NAME = "..."` in the braces that tokens begin with.
fn value(tokens: &[Token], name: &str) -> Option<String> {
    let all = inside(tokens);
    all.windows(3).find_map(|three| match three {
        [Token::Word(word), Token::Mark('=' | ':'), Token::Text(text)] if word == name => {
            Some(text.clone())
        }
        _ => None,
    })
}

/// As much of HCL as these two need.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        if c == '#' || (c == '/' && next == Some('/')) {
            rest.by_ref().find(|c| *c == '\n');
        } else if c == '/' && next == Some('*') {
            let mut before = ' ';
            rest.by_ref().skip(1).find(|c| {
                let ends = before == '*' && *c == '/';
                before = *c;
                ends
            });
        } else if c == '"' {
            let mut word = String::new();
            while let Some(c) = rest.next().filter(|c| *c != '"') {
                word.push(if c == '\\' {
                    rest.next().unwrap_or(c)
                } else {
                    c
                });
            }
            found.push(Token::Text(word));
        } else if is_of_word(c) {
            let mut word = String::from(c);
            while let Some(c) = rest.next_if(|c| is_of_word(*c)) {
                word.push(c);
            }
            found.push(Token::Word(word));
        } else if !c.is_whitespace() {
            found.push(Token::Mark(c));
        }
    }
    found
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

/// Whether a version meets all of `>= 0.100, < 1.0`; `None` where that is not understood.
fn fits(version: &str, constraints: &str) -> Option<bool> {
    let (version, _) = read(version)?;
    // Whether a release before the release is meant is tofu's to say.
    if !version.pre.is_empty() {
        return None;
    }
    let mut all = true;
    for constraint in constraints.split(',').map(str::trim) {
        let at = constraint.find(|c: char| c.is_ascii_digit() || c == 'v')?;
        let (operator, wanted) = constraint.split_at(at);
        let (wanted, parts) = read(wanted)?;
        let order = version.cmp(&wanted);
        all &= match operator.trim() {
            "" | "=" => order == Ordering::Equal,
            "!=" => order != Ordering::Equal,
            ">" => order == Ordering::Greater,
            ">=" => order != Ordering::Less,
            "<" => order == Ordering::Less,
            "<=" => order != Ordering::Greater,
            // The last part that is written may grow.
            "~>" => {
                order != Ordering::Less
                    && (parts < 2 || version.major == wanted.major)
                    && (parts < 3 || version.minor == wanted.minor)
            }
            _ => return None,
        };
    }
    Some(all)
}

/// A version of one to three parts, and how many are written.
fn read(text: &str) -> Option<(Version, usize)> {
    let text = text.trim().trim_start_matches('v');
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (numbers, more) = text.split_at(end);
    let parts = numbers.split('.').count();
    let zeros = ".0".repeat(3_usize.checked_sub(parts)?);
    Some((
        Version::parse(&format!("{numbers}{zeros}{more}")).ok()?,
        parts,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"
# This file is maintained automatically by "tofu init".
provider "registry.opentofu.org/bpg/proxmox" {
  version     = "0.111.1"
  constraints = ">= 0.100.0, < 1.0.0"
  hashes = [
    "h1:QaK2n0JAjs8QTQqXVRDOl6Gyacv/wyMF+VOCflQ8xPE=",
  ]
}
"#;

    fn module(version: &str) -> String {
        format!(
            "terraform {{ # required_providers {{ x = {{ source = \"a/b\" }} }}\n  required_providers {{\n    \
             proxmox = {{\n      source  = \"bpg/proxmox\"\n      version = \"{version}\"\n    }}\n    \
             /* }} */ random = {{ source = \"hashicorp/random\" }}\n  }}\n}}\n"
        )
    }

    #[test]
    fn a_lock_is_stale_when_the_module_refuses_its_version() {
        assert!(locks_any(LOCK) && !locks_any("# provider \"a/b\" { version = \"1\" }\n"));
        for takes in [
            ">= 0.100, < 1.0",
            "0.111.1",
            "~> 0.100",
            "~> 0.111.0",
            "!= 0.111.0",
            "soon",
        ] {
            assert_eq!(stale(LOCK, [module(takes).as_str()]), None, "{takes}");
        }
        for refuses in [
            ">= 0.120.0",
            "0.111",
            "~> 0.110.0",
            "~> 1.0",
            ">= 0.100, < 0.111",
            "!= 0.111.1",
        ] {
            let found = stale(LOCK, ["", &module(refuses)]).unwrap();
            assert_eq!(
                found,
                format!("`bpg/proxmox` is locked at 0.111.1, asked for is `{refuses}`")
            );
        }
        // Another provider, and one without a version.
        let other = module("> 9").replace("bpg/", "other/");
        assert_eq!(stale(LOCK, [other.as_str()]), None);
        assert_eq!(stale("", [module("> 9").as_str()]), None);
    }

    #[test]
    fn a_release_before_the_release_is_left_to_tofu() {
        assert_eq!(fits("1.0.0-rc1", ">= 1.0"), None);
        assert_eq!(fits("2.4.0", "~> 2"), Some(true));
        assert_eq!(fits("2.4.0", "= v2.4.0"), Some(true));
        assert_eq!(fits("2.4.0", ">= 1.2.3.4"), None);
    }
}
