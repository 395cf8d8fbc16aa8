//! The lab and how it is found: upward from where the user stands.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Config, Paths, hl_toml};
use crate::diag::{Diagnostic, Exit, Failure, Source};

/// The file that marks a lab's root.
pub(super) const MARKER: &str = "hl.toml";

/// A lab: where it is and what its `hl.toml` says.
#[derive(Debug, Clone)]
pub struct Lab {
    /// Where things are.
    pub paths: Paths,
    /// What `hl.toml` says.
    pub config: Config,
}

impl Lab {
    /// Reads the lab whose root is `root` (absolute).
    ///
    /// # Errors
    /// `hl.toml` is not there or cannot be read (66), or is invalid (65).
    pub fn read(root: impl Into<Utf8PathBuf>) -> Result<Self, Failure> {
        let paths = Paths::live(root);
        let file = paths.config();
        let text = fs::read_to_string(&file).map_err(|error| unreadable(&file, &error))?;
        let config = hl_toml::parse(&Source::new(MARKER, text))?;
        Ok(Self { paths, config })
    }
}

/// The root of the lab that `explicit` names (a directory or its `hl.toml`;
/// relative to `start_dir`), else of the nearest one from `start_dir`
/// (absolute) upward. Nothing in it is read: whose it is comes first.
///
/// # Errors
/// There is none (66).
pub fn locate(start_dir: &Utf8Path, explicit: Option<&Utf8Path>) -> Result<Utf8PathBuf, Failure> {
    match explicit {
        Some(given) => named(start_dir, given),
        None => upward(start_dir),
    }
}

/// Why a search ends below the root of the file system.
enum End {
    /// Everybody may put a file there.
    Sticky,
    /// It belongs to another user than the directory below it.
    Owner,
}

/// Goes up as long as the directories are of one owner: what somebody else put
/// above is not this user's lab.
fn upward(start_dir: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    let mut owner = None;
    for dir in start_dir.ancestors() {
        if let Ok(meta) = fs::metadata(dir) {
            let end = match owner {
                Some(_) if meta.mode() & 0o1000 != 0 => Some(End::Sticky),
                Some(below) if below != meta.uid() => Some(End::Owner),
                _ => None,
            };
            if let Some(end) = end {
                return Err(not_found(start_dir, Some((dir, &end))));
            }
            owner = Some(meta.uid());
        }
        if dir.join(MARKER).is_file() {
            return Ok(dir.to_owned());
        }
    }
    Err(not_found(start_dir, None))
}

fn named(start_dir: &Utf8Path, given: &Utf8Path) -> Result<Utf8PathBuf, Failure> {
    let path = start_dir.join(given);
    let dir = match path.file_name() {
        Some(MARKER) if path.is_file() => path.parent().unwrap_or(&path).to_owned(),
        _ => path,
    };
    let root = dir.canonicalize_utf8().map_err(|error| {
        let wrong = if error.kind() == io::ErrorKind::NotFound {
            format!("there is no directory `{dir}`")
        } else {
            format!("cannot use `{dir}` as a lab: {error}")
        };
        Failure::message(Exit::Unknown, wrong)
            .help("give `--lab` (or `HL_LAB`) the directory that holds `hl.toml`")
    })?;
    if root.join(MARKER).is_file() {
        return Ok(root);
    }
    Err(Failure::new(
        Exit::Unknown,
        Diagnostic::error(format!("there is no `{MARKER}` in `{root}`"))
            .help("give `--lab` (or `HL_LAB`) the directory that holds `hl.toml`")
            .help(format!("or make a lab there: `hl new {given}`")),
    ))
}

fn not_found(start_dir: &Utf8Path, end: Option<(&Utf8Path, &End)>) -> Failure {
    let looked = match (start_dir.parent(), end) {
        (None, _) => format!("in `{start_dir}`"),
        (_, None) => format!("in `{start_dir}` or any directory above it"),
        (Some(parent), Some((dir, _))) if parent == dir => format!("in `{start_dir}`"),
        (_, Some((dir, _))) => format!("in `{start_dir}` or above it, below `{dir}`"),
    };
    let mut error = Diagnostic::error(format!("found no `{MARKER}` {looked}"));
    if let Some((dir, end)) = end {
        let why = match end {
            End::Sticky => "everybody may write there (it is sticky)",
            End::Owner => "it belongs to another user",
        };
        error = error.note(format!("the search ends at `{dir}`: {why}"));
    }
    Failure::new(
        Exit::Unknown,
        error
            .help("go into a lab, or name one with `--lab DIR` (or `HL_LAB`)")
            .help("make a new lab: `hl new DIR`"),
    )
}

fn unreadable(file: &Utf8Path, error: &io::Error) -> Failure {
    Failure::message(Exit::Unknown, format!("cannot read `{file}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn temp() -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(dir.path())
            .unwrap()
            .canonicalize_utf8()
            .unwrap();
        (dir, path)
    }

    #[test]
    fn the_nearest_marker_upward_is_the_root() {
        let (_guard, dir) = temp();
        let deep = dir.join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        fs::write(dir.join("hl.toml"), "").unwrap();
        assert_eq!(locate(&deep, None).unwrap(), dir);
        fs::write(dir.join("a/hl.toml"), "[lab]\nname = \"inner\"\n").unwrap();
        let inner = Lab::read(locate(&deep, None).unwrap()).unwrap();
        assert_eq!(inner.paths.root(), dir.join("a"));
        assert_eq!(inner.config.lab.name, "inner");
    }

    #[test]
    fn the_search_ends_below_a_sticky_directory() {
        let (_guard, dir) = temp();
        let deep = dir.join("shared/mine/deep");
        fs::create_dir_all(&deep).unwrap();
        fs::write(dir.join("hl.toml"), "").unwrap();
        fs::write(dir.join("shared/hl.toml"), "").unwrap();
        assert_eq!(locate(&deep, None).unwrap(), dir.join("shared"));
        let sticky = fs::Permissions::from_mode(0o1777);
        fs::set_permissions(dir.join("shared"), sticky).unwrap();
        let failure = locate(&deep, None).unwrap_err();
        assert_eq!(failure.exit, Exit::Unknown);
        assert!(
            failure.diagnostics[0].notes[0].contains("sticky"),
            "{failure:?}"
        );
        // Where the user stands is looked at: whose it is, is asked then.
        assert_eq!(
            locate(&dir.join("shared"), None).unwrap(),
            dir.join("shared")
        );
    }

    #[test]
    fn a_directory_called_like_the_marker_is_no_lab() {
        let (_guard, dir) = temp();
        fs::create_dir_all(dir.join("hl.toml")).unwrap();
        let failure = locate(&dir, None).unwrap_err();
        assert_eq!(failure.exit, Exit::Unknown);
        assert!(failure.to_string().contains(dir.as_str()), "{failure}");
        assert!(failure.diagnostics[0].help[1].contains("hl new DIR"));
    }

    #[test]
    fn a_lab_is_named_by_directory_or_file() {
        let (_guard, dir) = temp();
        fs::create_dir_all(dir.join("labs/one")).unwrap();
        fs::create_dir_all(dir.join("elsewhere")).unwrap();
        fs::write(dir.join("labs/one/hl.toml"), "").unwrap();
        let from = dir.join("elsewhere");
        for given in ["../labs/one", "../labs/one/", "../labs/one/hl.toml"] {
            let root = locate(&from, Some(Utf8Path::new(given))).unwrap();
            assert_eq!(root, dir.join("labs/one"), "{given}");
        }
    }

    #[test]
    fn a_named_lab_is_never_replaced_by_one_above() {
        let (_guard, dir) = temp();
        fs::create_dir_all(dir.join("empty")).unwrap();
        fs::write(dir.join("hl.toml"), "").unwrap();
        for given in ["empty", "missing"] {
            let failure = locate(&dir, Some(Utf8Path::new(given))).unwrap_err();
            assert_eq!(failure.exit, Exit::Unknown);
            assert!(failure.to_string().contains(given), "{failure}");
        }
    }
}
