//! Patterns of paths: `/nodes/*/qemu/*/clone`, `/nodes/**`.

/// A path with more parts is met by no pattern.
const MOST: usize = 64;

/// A pattern: `*` stands for anything within a part, `**` for any number of parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<String>);

impl Pattern {
    /// Slashes that repeat or trail do not count.
    pub(super) fn new(text: &str) -> Self {
        Self(parts(text).into_iter().map(str::to_owned).collect())
    }

    /// Whether a path, below `/api2/json` and decoded, fits.
    pub(super) fn fits(&self, path: &str) -> bool {
        let parts = parts(path);
        parts.len() <= MOST && all_fit(&self.0, &parts)
    }
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

fn all_fit(pattern: &[String], parts: &[&str]) -> bool {
    match (pattern.split_first(), parts.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == "**" => {
            all_fit(rest, parts)
                || parts
                    .split_first()
                    .is_some_and(|(_, tail)| all_fit(pattern, tail))
        }
        (Some((first, rest)), Some((part, tail))) => one_fits(first, part) && all_fit(rest, tail),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn one_fits(pattern: &str, part: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = part.strip_prefix(pieces.next().unwrap_or_default()) else {
        return false;
    };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.split_once(piece) {
            Some((_, tail)) => rest = tail,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits() {
        for (pattern, path) in [
            ("/version", "/version"),
            ("/nodes/*/qemu/*/clone", "/nodes/pve/qemu/9000/clone"),
            ("/nodes/*/qemu/90*", "/nodes/pve/qemu/9000"),
            ("/nodes/**", "/nodes"),
            ("/nodes/**", "/nodes/pve/qemu/100"),
            ("/**/agent/**", "/nodes/pve/qemu/100/agent/ping"),
            ("/nodes/p*v*e", "/nodes/pve"),
            ("/**", "/"),
        ] {
            assert!(Pattern::new(pattern).fits(path), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("/version", "/version/x"),
            ("/nodes/*/qemu", "/nodes/pve/qemu/100"),
            ("/nodes/*/qemu/90*", "/nodes/pve/qemu/100"),
            ("/nodes/pve*e", "/nodes/pve"),
            ("/**/agent", "/nodes/pve/qemu/100/agent/ping"),
            ("/*", "/"),
        ] {
            assert!(!Pattern::new(pattern).fits(path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_long_path_costs_nothing() {
        let path = "/x".repeat(30_000);
        assert!(!Pattern::new("/**/**/**/y").fits(&path));
    }
}
