//! "Did you mean": the closest of the known names.

use crate::base::ticked;

/// The known name closest to `word`, when it is close enough to be a slip:
/// at most a third of the longer word's letters differ.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|candidate| (strsim::osa_distance(word, candidate), candidate))
        .filter(|(d, candidate)| {
            *d <= word
                .chars()
                .count()
                .max(candidate.chars().count())
                .div_ceil(3)
        })
        .min_by_key(|(d, _)| *d)
        .map(|(_, candidate)| candidate)
}

/// A help line for `word`: the closest name, else the whole list.
pub fn did_you_mean<'a>(
    word: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(name) = closest(word, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let names = ticked(known);
    (!names.is_empty()).then(|| format!("known: {names}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        assert_eq!(
            closest("l2-aply", ["l1-template", "l2-apply"]),
            Some("l2-apply")
        );
        assert_eq!(closest("hsot", ["host", "node"]), Some("host"));
        assert_eq!(closest("banana", ["l1-template", "l2-apply"]), None);
    }

    #[test]
    fn strangers_get_the_list() {
        assert_eq!(
            did_you_mean("xyz", ["dev", "prod"]).as_deref(),
            Some("known: `dev`, `prod`")
        );
    }
}
