//! The names of specs. Machines ask for a spec by its name over the network, so one rule
//! holds for all who list, find and read one: which texts are a name, and which files count.

use camino::Utf8Path;

/// No name is longer, in bytes: a file's name cannot be.
const LONGEST: usize = 250;

/// What files of secrets begin with.
const SECRETS: &str = "secrets.yaml";

/// Whether a text can be the name of a spec: of ASCII letters, digits and `-_.@+`, and
/// never a path.
pub fn is_spec_name(text: &str) -> bool {
    let named = |c: char| c.is_ascii_alphanumeric() || "-_.@+".contains(c);
    !text.is_empty()
        && text.len() <= LONGEST
        && text != "."
        && text != ".."
        && text.chars().all(named)
}

/// Whether the spec of this name is `path`, in the site-config at `root`: a file of it,
/// and not one of its secrets, also where links lead to it.
pub(super) fn is_spec(root: &Utf8Path, path: &Utf8Path, name: &str) -> bool {
    if !is_spec_name(name) {
        return false;
    }
    let (Ok(real), Ok(root)) = (path.canonicalize_utf8(), root.canonicalize_utf8()) else {
        return false;
    };
    let is_secret = real.file_name().is_some_and(|n| n.starts_with(SECRETS));
    real.starts_with(root) && !is_secret && real.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::{Kind, Tree};
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_name_is_never_a_path() {
        for name in ["edge", "web-1", "a.b", "..a", "ana@desk", "x+y"] {
            assert!(is_spec_name(name), "{name}");
        }
        let long = "x".repeat(LONGEST + 1);
        for other in [
            "",
            ".",
            "..",
            "a/b",
            "../secrets",
            "%2e%2e",
            "a%2fb",
            "a\\b",
            "a b",
            "\u{e4}",
            &long,
        ] {
            assert!(!is_spec_name(other), "{other}");
        }
    }

    #[test]
    fn a_link_that_leads_out_is_no_spec() {
        let guard = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(guard.path()).unwrap();
        let root = dir.join("site");
        fs::create_dir_all(root.join("v2/specs")).unwrap();
        fs::create_dir_all(dir.join("outside")).unwrap();
        for file in [
            "site/v2/specs/base.yaml",
            "site/shared.yaml",
            "outside/x.yaml",
        ] {
            fs::write(dir.join(file), "schema_version: 1\n").unwrap();
        }
        fs::write(root.join("secrets.yaml"), "auth: {site_token: x}\n").unwrap();
        let specs = root.join("v2/specs");
        for (target, name) in [
            ("base.yaml", "alias"),
            ("../../shared.yaml", "shared"),
            ("../../secrets.yaml", "secret"),
            ("../../../outside/x.yaml", "out"),
            ("/etc/hostname", "host"),
            ("nothing.yaml", "gone"),
            ("again.yaml", "again"),
        ] {
            symlink(target, specs.join(format!("{name}.yaml"))).unwrap();
        }
        fs::write(specs.join("two words.yaml"), "").unwrap();
        let tree = Tree::new(&*root, "site");
        assert_eq!(tree.spec_names().unwrap(), ["alias", "base", "shared"]);
        for name in ["secret", "out", "host", "gone", "again", "two words"] {
            assert!(!tree.has(Kind::Spec, name), "{name}");
            assert!(tree.source(Kind::Spec, name).is_err(), "{name}");
            assert!(tree.resolve_spec(name, None).is_err(), "{name}");
        }
        // So is a directory that is elsewhere.
        fs::rename(&specs, dir.join("outside/specs")).unwrap();
        symlink("../../outside/specs", &specs).unwrap();
        assert!(tree.spec_names().unwrap().is_empty());
        assert!(!tree.has(Kind::Spec, "base"));
    }
}
