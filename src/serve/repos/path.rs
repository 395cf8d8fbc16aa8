//! What a path of a request asks for. Nothing of it becomes a path on the disk but
//! names of git's files, each of a fixed form; other files are looked up in a list.

use http::HeaderValue;

use crate::serve::refusal::Refusal;

/// The longest path that is looked at.
const LONGEST: usize = 8192;

/// A path below a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// The repository's name.
    pub(super) repository: String,
    /// What of it.
    pub(super) what: What,
}

/// What is asked for of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A file of the bare repository: its name there, and its type.
    Git(String, HeaderValue),
    /// A name that git keeps for itself and that is not served.
    Hidden,
    /// A file or directory of `_working`; the root is empty.
    Raw(Vec<u8>),
}

/// Reads the path of a request, as it came: `/{name}.git/{rest}`.
///
/// # Errors
/// It has another form, or leads where no file can be (400).
pub(super) fn asked(path: &str) -> Result<Asked, Refusal> {
    let wrong = || Refusal::bad_path("Invalid path: expected /{repo}.git/{path}");
    if path.len() > LONGEST {
        return Err(wrong());
    }
    let path = decoded(path.as_bytes()).ok_or_else(wrong)?;
    let path = path.strip_prefix(b"/").ok_or_else(wrong)?;
    let path = path.strip_suffix(b"/").unwrap_or(path);
    let odd = |part: &[u8]| {
        matches!(part, b"" | b"." | b"..") || part.iter().any(|byte| matches!(byte, 0 | b'\\'))
    };
    if path.split(|byte| *byte == b'/').any(odd) {
        return Err(wrong());
    }
    let mut parts = path.splitn(2, |byte| *byte == b'/');
    let name = parts.next().and_then(|name| name.strip_suffix(b".git"));
    let name = name.and_then(|name| std::str::from_utf8(name).ok());
    let repository = name.filter(|name| !name.is_empty()).ok_or_else(wrong)?;
    Ok(Asked {
        repository: repository.to_owned(),
        what: what(parts.next().unwrap_or_default()),
    })
}

/// Decodes `%XX` once; none where a `%` is not followed by two digits.
fn decoded(path: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.iter();
    while let Some(byte) = rest.next() {
        if *byte == b'%' {
            let mut digit = || char::from(*rest.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(*byte);
        }
    }
    Some(out)
}

/// The names that git's clients ask for of a repository that is packed, and no other.
fn what(rest: &[u8]) -> What {
    let git =
        |name: &str, kind: &'static str| What::Git(name.to_owned(), HeaderValue::from_static(kind));
    let Ok(name) = std::str::from_utf8(rest) else {
        return What::Raw(rest.to_vec());
    };
    match name {
        "HEAD" | "info/refs" | "objects/info/packs" => git(name, "text/plain; charset=utf-8"),
        _ if is_pack(name, ".pack") => git(name, "application/x-git-packed-objects"),
        _ if is_pack(name, ".idx") => git(name, "application/x-git-packed-objects-toc"),
        _ if is_loose(name) => git(name, "application/x-git-loose-object"),
        _ if is_gits_own(name) => What::Hidden,
        _ => What::Raw(rest.to_vec()),
    }
}

fn is_pack(name: &str, suffix: &str) -> bool {
    let id = name.strip_prefix("objects/pack/pack-");
    let id = id.and_then(|rest| rest.strip_suffix(suffix));
    id.is_some_and(|id| matches!(id.len(), 40 | 64) && is_hex(id))
}

fn is_loose(name: &str) -> bool {
    let parts = name.strip_prefix("objects/");
    let parts = parts.and_then(|rest| rest.split_once('/'));
    parts.is_some_and(|(dir, file)| {
        dir.len() == 2 && matches!(file.len(), 38 | 62) && is_hex(dir) && is_hex(file)
    })
}

fn is_hex(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A client of git believes what is under these names, so no file of a work tree is
/// served under them.
fn is_gits_own(name: &str) -> bool {
    let first = name.split('/').next().unwrap_or_default();
    matches!(first, "objects" | "info" | "refs") || matches!(name, "packed-refs" | "config")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn raw(path: &str) -> Vec<u8> {
        let What::Raw(rest) = asked(path).unwrap().what else {
            panic!("{path} is one of git's");
        };
        rest
    }

    #[test]
    fn gits_files_are_known_by_their_whole_name() {
        let (one, two) = ("0a".repeat(20), "0a".repeat(32));
        let rest = "b".repeat(38);
        for name in [
            "HEAD".to_owned(),
            "info/refs".to_owned(),
            "objects/info/packs".to_owned(),
            format!("objects/pack/pack-{one}.pack"),
            format!("objects/pack/pack-{two}.idx"),
            format!("objects/0f/{rest}"),
        ] {
            let Asked { repository, what } = asked(&format!("/lab.git/{name}")).unwrap();
            assert_eq!(repository, "lab");
            assert!(matches!(&what, What::Git(git, _) if *git == name), "{name}");
        }
        for name in [
            "objects/info/alternates".to_owned(),
            "objects/info/http-alternates".to_owned(),
            "objects".to_owned(),
            "packed-refs".to_owned(),
            "refs/heads/main".to_owned(),
            "config".to_owned(),
            "info/exclude".to_owned(),
            format!("objects/pack/pack-{one}.keep"),
            format!("objects/pack/pack-{}.pack", one.to_uppercase()),
            format!("objects/0F/{rest}"),
            format!("objects/0f/{rest}0"),
        ] {
            assert_eq!(
                asked(&format!("/lab.git/{name}")).unwrap().what,
                What::Hidden
            );
        }
    }

    #[test]
    fn other_files_are_named_as_they_are() {
        assert_eq!(raw("/lab.git"), b"");
        assert_eq!(raw("/lab.git/"), b"");
        assert_eq!(raw("/a.b.git/config/settings.env"), b"config/settings.env");
        assert_eq!(raw("/lab.git/a%20b/%C3%A9/%ff/"), b"a b/\xc3\xa9/\xff");
        assert_eq!(raw("/lab.git/x.git/HEAD"), b"x.git/HEAD");
        // Decoded once.
        assert_eq!(raw("/lab.git/%252e%252e/x"), b"%2e%2e/x");
        assert_eq!(raw("/lab.git/...a"), b"...a");
    }

    #[test]
    fn what_leads_elsewhere_is_refused() {
        for path in [
            "/lab.git/../x",
            "/lab.git/%2e%2e/x",
            "/lab.git/%2E./x",
            "/lab.git/..%2fx",
            "/lab.git/a//b",
            "//lab.git/a",
            "/lab.git//",
            "/lab.git/./a",
            "/lab.git/a%00",
            "/lab.git/a\\..\\b",
            "/lab.git/%5c",
            "/lab.git/%",
            "/lab.git/%4",
            "/lab.git/%zz",
            "/lab.git/%+1",
            "/.git/config",
            "/lab/x.git/a",
            "/lab",
            "/",
            "",
            "lab.git",
            &format!("/lab.git/{}", "a".repeat(9000)),
        ] {
            let refusal = asked(path).unwrap_err();
            assert_eq!(
                (refusal.status.as_u16(), refusal.code),
                (400, "E100"),
                "{path}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_path_leads_out_of_a_repository(
            path in prop_oneof![
                any::<String>(),
                "/[a-z.%]{1,8}\\.git(/([a-z]|\\.|%2[eEfF]|%5c|%00|\\\\|//|\\.\\.){0,6}){0,5}",
                "/lab\\.git/(objects|info|refs)/[a-f0-9/.%-]{0,60}(\\.pack|\\.idx)?",
            ]
        ) {
            if let Ok(Asked { repository, what }) = asked(&path) {
                prop_assert!(!repository.contains(['/', '\\', '\0']));
                let name = match what {
                    What::Git(name, _) => name.into_bytes(),
                    What::Raw(name) => name,
                    What::Hidden => Vec::new(),
                };
                for part in name.split(|byte| *byte == b'/') {
                    prop_assert!(name.is_empty() || !matches!(part, b"" | b"." | b".."));
                    prop_assert!(!part.contains(&0) && !part.contains(&b'\\'));
                }
            }
        }
    }
}
