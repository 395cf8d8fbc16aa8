//! The guest agent in a system that nobody runs yet: a template that has one from
//! the start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::skeleton::{copy, write};
use crate::rehearse::mounts::make_dir;

const PACKAGE: &str = "qemu-guest-agent";

/// Unpacks the agent's package onto a disk, and notes it as installed. Its unit needs
/// not be enabled: it starts when the machine has the agent's port.
pub(super) fn install(disk: &Path, apt_repo: Option<&Path>) -> Result<(), String> {
    let archive = archive(apt_repo)?;
    let unpacked = tempfile::tempdir_in(disk).map_err(|e| e.to_string())?;
    dpkg_deb(&["--extract"], &archive, Some(unpacked.path()))?;
    for (from, to) in [
        ("lib", "usr-upper/lib"),
        ("usr", "usr-upper"),
        ("etc", "etc"),
    ] {
        let from = unpacked.path().join(from);
        if from.is_dir() {
            let to = disk.join(to);
            make_dir(&to, 0o755)?;
            copy(&from.join("."), &to)?;
        }
    }
    let fields = dpkg_deb(&["--field"], &archive, None)?;
    let dpkg = disk.join("var/lib/dpkg");
    let status = fs::read_to_string(dpkg.join("status")).unwrap_or_default();
    let entry = format!("{}\nStatus: install ok installed\n", fields.trim_end());
    write(&dpkg.join("status"), 0o644, &format!("{status}{entry}\n"))?;
    let list = dpkg.join(format!("info/{PACKAGE}.list"));
    write(&list, 0o644, "")
}

fn archive(apt_repo: Option<&Path>) -> Result<PathBuf, String> {
    let missing = || format!("no package `{PACKAGE}` for it: `HL_GUEST_APT` names none");
    let pool = apt_repo.ok_or_else(missing)?.join("pool");
    let entries = fs::read_dir(pool).into_iter().flatten();
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&format!("{PACKAGE}_")) && name.ends_with(".deb")
    };
    paths.find(is_it).ok_or_else(missing)
}

fn dpkg_deb(words: &[&str], archive: &Path, to: Option<&Path>) -> Result<String, String> {
    let output = Command::new("dpkg-deb")
        .args(words)
        .arg(archive)
        .args(to)
        .output()
        .map_err(|e| format!("cannot run `dpkg-deb`: {e}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!(
            "cannot unpack `{}`: {}",
            archive.display(),
            said.trim()
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
