//! Names of repositories as they stand in URLs.

/// A text for people as such a name: lower case, with `-` for all but letters, digits,
/// `.` and `_`. None where nothing is left.
pub(super) fn url_name(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_';
    let words = lower.split(|c| !allowed(c)).filter(|word| !word.is_empty());
    let joined = words.collect::<Vec<_>>().join("-");
    let mut name = joined.trim_matches(['.', '-']);
    while let Some(shorter) = name.strip_suffix(".git") {
        name = shorter.trim_end_matches(['.', '-']);
    }
    (!name.is_empty() && name != "git").then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_for_people_becomes_one_for_urls() {
        for (text, name) in [
            ("lab", Some("lab")),
            ("My Home  Lab!", Some("my-home-lab")),
            ("../etc/passwd", Some("etc-passwd")),
            ("attic.git", Some("attic")),
            ("a.git.git", Some("a")),
            ("Küche", Some("k-che")),
            ("v1.2_x", Some("v1.2_x")),
            (".git", None),
            ("...", None),
            ("", None),
        ] {
            assert_eq!(url_name(text).as_deref(), name, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_one_plain_part_of_a_path(text in any::<String>()) {
            if let Some(name) = url_name(&text) {
                prop_assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c)));
                prop_assert!(!name.starts_with('.') && name.strip_suffix(".git").is_none());
                let again = url_name(&name);
                prop_assert_eq!(again.as_deref(), Some(name.as_str()));
            }
        }
    }
}
