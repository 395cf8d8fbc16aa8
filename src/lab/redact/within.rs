//! Secrets that stand inside of a value that is no secret as a whole: the
//! password of a URL (`scheme://user:PASSWORD@host`), the secret of an API
//! token that was pasted whole (`user@realm!name=SECRET`).

use std::ops::Range;

/// A user name without a password that is this long is a token
/// (`https://TOKEN@host`).
const TOKEN: usize = 20;

/// The secrets in a text.
pub fn within(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = ranges(text)
        .into_iter()
        .filter_map(|range| text.get(range))
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The text with them masked, short ones too.
pub fn mask_within(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for range in ranges(text) {
        if range.start >= from {
            out.push_str(text.get(from..range.start).unwrap_or_default());
            out.push_str("(secret)");
            from = range.end;
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

fn ranges(text: &str) -> Vec<Range<usize>> {
    let urls = text
        .match_indices("://")
        .filter_map(|(at, mark)| userinfo(text, at + mark.len()));
    let tokens = text
        .match_indices('!')
        .filter_map(|(at, _)| token(text, at));
    let mut ranges: Vec<Range<usize>> = urls.chain(tokens).filter(|r| !r.is_empty()).collect();
    ranges.sort_unstable_by_key(|range| (range.start, range.end));
    ranges
}

/// What ends a URL or a token in a text.
fn ends(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>' | '`')
}

/// The password behind `scheme://`, or a token in place of a user's name.
fn userinfo(text: &str, from: usize) -> Option<Range<usize>> {
    let rest = text.get(from..)?;
    let word = rest.split(ends).next()?;
    let authority = word.split(['/', '?', '#']).next()?;
    // A password may hold what should have been encoded; a port cannot.
    let port = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    let behind_colon = authority.split_once(':').map(|(_, behind)| behind);
    let user = match authority.rsplit_once('@') {
        Some((user, _)) => user,
        None if behind_colon.is_some_and(|behind| !port(behind)) => word.rsplit_once('@')?.0,
        None => return None,
    };
    match user.split_once(':') {
        Some((name, _)) => Some(from + name.len() + 1..from + user.len()),
        None if user.len() >= TOKEN => Some(from..from + user.len()),
        None => None,
    }
}

/// What stands behind the `=` (in a backup server's form: `:`) of a token whose
/// `!` is at `mark`.
fn token(text: &str, mark: usize) -> Option<Range<usize>> {
    let name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
    let (before, rest) = text.split_at_checked(mark)?;
    let user = before.trim_end_matches(|c| name(c) || c == '@');
    if !before.get(user.len()..)?.contains('@') {
        return None;
    }
    let rest = rest.strip_prefix('!')?;
    let value = rest.trim_start_matches(name).strip_prefix(['=', ':'])?;
    let start = text.len() - value.len();
    let ends = |c: char| ends(c) || matches!(c, ',' | ';');
    Some(start..start + value.split(ends).next()?.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn passwords_of_urls_and_secrets_of_tokens_are_found() {
        for (text, wanted) in [
            (
                "postgres://me:pa:ss@db/x?y",
                "postgres://me:(secret)@db/x?y",
            ),
            ("http://:only@proxy:3128", "http://:(secret)@proxy:3128"),
            ("redis://me:p@ss@db:6379/0", "redis://me:(secret)@db:6379/0"),
            ("ftp://me:pa/ss@host/dir", "ftp://me:(secret)@host/dir"),
            (
                "https://ghp_0123456789abcdef0123@github.com/x",
                "https://(secret)@github.com/x",
            ),
            (
                "a=http://u:p1@x b='http://u:p2@y'",
                "a=http://u:(secret)@x b='http://u:(secret)@y'",
            ),
            ("hl@pve!hl=1234-5678", "hl@pve!hl=(secret)"),
            (
                "Authorization: PVEAPIToken=hl@pve!hl=1234-5678",
                "Authorization: PVEAPIToken=hl@pve!hl=(secret)",
            ),
            (
                "backup@pbs!x:1234-5678, next",
                "backup@pbs!x:(secret), next",
            ),
            ("ä@b!c=ü", "ä@b!c=(secret)"),
        ] {
            assert_eq!(mask_within(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "https://pve.lab.example:8006/api2?x=a@b",
            "ssh://git@host/repo",
            "https://host/a:b@c",
            "hl@pve!hl",
            "wow!name=1",
            "me@host",
            "://",
            "",
        ] {
            assert_eq!(mask_within(text), text);
            assert!(within(text).is_empty());
        }
    }

    proptest! {
        #[test]
        fn what_is_masked_is_what_is_found(text in "[a-z:/@!=é\" ]{0,40}") {
            let masked = mask_within(&text);
            prop_assert_eq!(masked == text, within(&text).is_empty());
        }

        #[test]
        fn any_password_of_a_url_is_found(user in "[a-z]{0,5}", password in "[!-~&&[^\"'<>`/?#@]]{1,20}") {
            let url = format!("x://{user}:{password}@host:1/");
            prop_assert!(within(&url).contains(&password.as_str()));
        }
    }
}
