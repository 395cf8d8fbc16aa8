//! What steps see of directories that are otherwise hidden from them: programs,
//! and the settings that tools are known to read. No keys, agents or histories.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::base::has_word;

/// Of a home: settings of tools, what they are extended with, and what version
/// managers keep there.
const OF_HOME: &str = "
    .ansible.cfg .ansible/collections .ansible/plugins .ansible/roles .asdf .config/mise
    .config/opentofu .config/packer .config/sops/age/keys.txt .local/lib .local/pipx
    .local/share/mise .local/share/opentofu/plugins .local/share/pipx
    .local/share/terraform/plugins .packer.d/plugins .packerconfig .pyenv .ssh/config
    .ssh/config.d .terraform.d/plugin-cache .terraform.d/plugins .terraformrc .tofurc";

/// Variables that name files of tools, `:` between several; all of `ANSIBLE_*` too.
const VARIABLES: &str = "
    CURL_CA_BUNDLE HL_GUEST_APT LD_LIBRARY_PATH PACKER_CONFIG PACKER_CONFIG_DIR
    PACKER_PLUGIN_PATH PYTHONHOME PYTHONPATH REQUESTS_CA_BUNDLE SOPS_AGE_KEY_FILE SOPS_CONFIG
    SSL_CERT_DIR SSL_CERT_FILE TF_CLI_CONFIG_FILE TF_PLUGIN_CACHE_DIR VIRTUAL_ENV";

/// Names a file that names directories.
const TOFU_SETTINGS: &str = "TF_CLI_CONFIG_FILE";

/// How many directories of programs are looked through.
const MOST: usize = 256;

/// The homes of the user: what `HOME` says, and what the machine says of root,
/// which is what ssh goes by. The last is there in any case.
pub(super) fn homes() -> Vec<PathBuf> {
    let root = fs::read_to_string("/etc/passwd")
        .unwrap_or_default()
        .lines()
        .find(|line| line.split(':').nth(2) == Some("0"))
        .and_then(|line| line.split(':').nth(5).map(PathBuf::from))
        .filter(|home| home.is_absolute() && home != Path::new("/"))
        .unwrap_or_else(|| PathBuf::from("/root"));
    let own = env::var_os("HOME").map(PathBuf::from);
    let own = own.filter(|home| home.is_absolute() && *home != root);
    own.into_iter().chain([root]).collect()
}

/// All that is to be seen, whether it is hidden or not.
pub(super) fn paths(exe: &Path, named: &[PathBuf], homes: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = vec![exe.to_owned()];
    found.extend(named.iter().cloned());
    for home in homes {
        found.extend(OF_HOME.split_whitespace().map(|name| home.join(name)));
        for settings in [".terraformrc", ".tofurc"] {
            found.extend(quoted(&home.join(settings)));
        }
    }
    for (name, value) in env::vars_os() {
        let name = name.to_string_lossy();
        if has_word(VARIABLES, &name) || name.starts_with("ANSIBLE_") {
            found.extend(env::split_paths(&value).filter(|path| path.is_absolute()));
        }
        if name == TOFU_SETTINGS {
            found.extend(quoted(Path::new(&value)));
        }
    }
    let path = env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    let tools = named.iter().filter_map(|tool| tool.parent());
    let dirs = env::split_paths(&path).chain(tools.map(Path::to_owned));
    found.extend(programs(dirs.collect(), homes));
    // Nobody's whole home, however it is named.
    found.retain(|path| path.exists() && !homes.iter().any(|home| home.starts_with(path)));
    found
}

/// Absolute paths between quotes in a file of settings.
fn quoted(file: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let words = text.split('"').skip(1).step_by(2);
    words
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .collect()
}

/// Directories of programs, with those that links in them lead to, and what
/// belongs to the programs: of `X/bin`, all of `X` where it is one program's.
fn programs(mut dirs: Vec<PathBuf>, homes: &[PathBuf]) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut looked = BTreeSet::new();
    let shared = |dir: &Path| homes.iter().any(|home| dir == home.join(".local"));
    while let Some(dir) = dirs.pop() {
        let hidden = super::files::HIDDEN.iter().any(|top| dir.starts_with(top))
            || homes.iter().any(|home| dir.starts_with(home));
        if !hidden || looked.len() >= MOST || !looked.insert(dir.clone()) {
            continue;
        }
        let above = dir.parent().filter(|above| !shared(above));
        if let Some(above) = above.filter(|above| above.join("pyvenv.cfg").is_file()) {
            found.insert(above.to_owned());
        }
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let Ok(target) = entry.path().canonicalize() else {
                continue;
            };
            let Some(place) = target.parent().filter(|place| *place != dir) else {
                continue;
            };
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) && target.is_file() {
                let prefix = place.parent().filter(|prefix| !shared(prefix));
                let prefix = prefix.filter(|_| place.ends_with("bin"));
                found.insert(prefix.unwrap_or(place).to_owned());
                dirs.push(place.to_owned());
            }
        }
        found.insert(dir);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn programs_come_with_what_is_theirs_and_with_no_home() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let home = dir.path().canonicalize().unwrap().join("home");
        let make = |path: &str| {
            let file = home.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        };
        for file in [
            ".local/share/uv/tools/ansible/bin/ansible",
            ".local/share/uv/tools/ansible/pyvenv.cfg",
            ".local/share/uv/python/3.13/bin/python3.13",
            ".local/share/keyrings/login",
            ".local/bin/own",
            ".ssh/id_ed25519",
            "bin/tofu",
        ] {
            make(file);
        }
        let link = |from: &str, to: &str| symlink(home.join(to), home.join(from)).unwrap();
        link(
            ".local/bin/ansible",
            ".local/share/uv/tools/ansible/bin/ansible",
        );
        link(
            ".local/share/uv/tools/ansible/bin/python",
            ".local/share/uv/python/3.13/bin/python3.13",
        );
        let dirs = vec![home.join(".local/bin"), home.join("bin")];
        let found = programs(dirs, std::slice::from_ref(&home));
        let shows = |path: &str| found.iter().any(|dir| home.join(path).starts_with(dir));
        for shown in [
            "bin/tofu",
            ".local/bin/own",
            ".local/share/uv/tools/ansible/pyvenv.cfg",
            ".local/share/uv/python/3.13/lib",
        ] {
            assert!(shows(shown), "{shown}: {found:?}");
        }
        for kept in [".ssh/id_ed25519", ".local/share/keyrings/login"] {
            assert!(!shows(kept), "{kept}: {found:?}");
        }
    }

    #[test]
    fn settings_name_directories_between_quotes() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "provider_installation {\n  filesystem_mirror { path = \"/x/mirror\" }\n  direct { exclude = [\"*/*/*\"] }\n}\n";
        fs::write(file.path(), text).unwrap();
        assert_eq!(quoted(file.path()), [PathBuf::from("/x/mirror")]);
    }
}
