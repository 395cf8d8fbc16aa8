//! The forms that names have.

/// An id of the configuration: a snapshot, a pool of keys, a job.
pub(super) fn config_id(text: &str) -> Result<(), String> {
    let mut letters = text.chars();
    let begins = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
    let rest = letters.as_str();
    if begins && !rest.is_empty() && only(rest, "_-") {
        return Ok(());
    }
    Err(format!(
        "invalid format - invalid configuration ID '{text}'"
    ))
}

/// The name of a snapshot.
pub(super) fn snapshot(text: &str) -> Result<(), String> {
    most(text, 40)?;
    config_id(text)
}

/// A pool: up to three levels, each a name.
pub(super) fn pool(text: &str) -> Result<(), String> {
    let levels: Vec<&str> = text.split('/').collect();
    if levels.len() > 3 {
        return Err(format!(
            "invalid format - pool name '{text}' nested too deeply (max levels = 3)"
        ));
    }
    if levels
        .iter()
        .all(|level| !level.is_empty() && only(level, "._-"))
    {
        return Ok(());
    }
    Err(format!(
        "invalid format - pool name '{text}' contains invalid characters"
    ))
}

/// `name@realm`.
pub(super) fn user(text: &str) -> Result<(), String> {
    most(text, 64)?;
    let fits = text.rsplit_once('@').is_some_and(|(name, own)| {
        let odd = |c: char| c.is_whitespace() || matches!(c, ':' | '/');
        !name.is_empty() && !name.contains(odd) && realm(own).is_ok()
    });
    if fits {
        return Ok(());
    }
    Err(format!(
        "invalid format - value '{text}' does not look like a valid user name"
    ))
}

/// A password that is to be set.
pub(super) fn password(text: &str) -> Result<(), String> {
    if text.chars().count() < 8 {
        return Err("value must be at least 8 characters long".to_owned());
    }
    most(text, 64)
}

/// A realm of users.
pub(super) fn realm(text: &str) -> Result<(), String> {
    most(text, 32)?;
    token(text)
        .map_err(|_| format!("invalid format - value '{text}' does not look like a valid realm"))
}

/// The last part of a token's id.
pub(super) fn token(text: &str) -> Result<(), String> {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    if begins && text.len() > 1 && only(text, "._-") {
        return Ok(());
    }
    Err(format!("invalid format - invalid token ID '{text}'"))
}

/// A group of users.
pub(super) fn group(text: &str) -> Result<(), String> {
    plain(text, "group name")
}

/// A role.
pub(super) fn role(text: &str) -> Result<(), String> {
    plain(text, "role name")
}

/// A storage: a letter first.
pub(super) fn storage(text: &str) -> Result<(), String> {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let ends = text.ends_with(|c: char| c.is_ascii_alphanumeric());
    if begins && ends && text.len() > 1 && only(text, "._-") {
        return Ok(());
    }
    Err(format!(
        "invalid format - storage ID '{text}' contains illegal characters"
    ))
}

/// Whether it is an address with the length of its network.
pub(super) fn is_cidr<A: std::str::FromStr>(text: &str, most: u8) -> bool {
    text.split_once('/').is_some_and(|(address, prefix)| {
        address.parse::<A>().is_ok() && prefix.parse::<u8>().is_ok_and(|bits| bits <= most)
    })
}

fn plain(text: &str, what: &str) -> Result<(), String> {
    if !text.is_empty() && only(text, "._-") {
        return Ok(());
    }
    Err(format!(
        "invalid format - {what} '{text}' contains invalid characters"
    ))
}

fn only(text: &str, more: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

fn most(text: &str, count: usize) -> Result<(), String> {
    if text.chars().count() > count {
        return Err(format!("value may only be {count} characters long"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        type Form = fn(&str) -> Result<(), String>;
        let table: [(Form, &[&str], &[&str]); 6] = [
            (
                snapshot,
                &["before-2", "A_b"],
                &["1x", "x", "a b", "", "é1"],
            ),
            (
                pool,
                &["a", "a/b/c", "1.x"],
                &["a/b/c/d", "/a", "a//b", "a b", ""],
            ),
            (
                user,
                &["a@pve", "a@b@pam"],
                &["a", "a:b@pve", "@pve", "a@1"],
            ),
            (token, &["hl", "t-1.x"], &["1a", "t", "t!"]),
            (group, &["ops", "9"], &["", "a b"]),
            (storage, &["nfs-1", "local"], &["1a", "a", "a-", "a b"]),
        ];
        for (form, good, bad) in table {
            for text in good {
                assert_eq!(form(text), Ok(()), "{text}");
            }
            for text in bad {
                assert!(form(text).is_err(), "{text}");
            }
        }
        assert!(snapshot(&"a".repeat(41)).is_err());
    }
}
