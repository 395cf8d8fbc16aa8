//! Unit files on a guest's disk: finding, enabling, masking. The same paths and
//! links that systemd makes, so that packages and ansible find what they expect.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::unit::Unit;
use crate::base::has_word;

/// Where units are looked for, strongest first.
const PLACES: [&str; 4] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
];

/// The unit files under a root directory.
#[derive(Debug, Clone)]
pub(super) struct Units {
    root: PathBuf,
}

/// Where a unit was found.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// The unit, drop-ins merged; its name is that of the file, aliases resolved.
    pub(super) unit: Unit,
    /// The file.
    pub(super) path: PathBuf,
    /// Its drop-ins.
    pub(super) drop_ins: Vec<PathBuf>,
}

/// Result of looking for a unit.
#[derive(Debug)]
pub(super) enum Lookup {
    /// There it is.
    Found(Box<Found>),
    /// A link to `/dev/null`.
    Masked,
    /// No such file.
    Missing,
}

/// `systemctl is-enabled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enablement {
    Enabled,
    Disabled,
    Static,
    Masked,
    Alias,
    Missing,
}

impl Enablement {
    /// As systemctl prints it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Static => "static",
            Self::Masked => "masked",
            Self::Alias => "alias",
            Self::Missing => "not-found",
        }
    }
}

impl Units {
    /// The units under `root`.
    pub(super) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn etc(&self) -> PathBuf {
        self.root.join("etc/systemd/system")
    }

    /// `nginx` is `nginx.service`.
    pub(super) fn full_name(name: &str) -> String {
        let kinds = "service socket target timer mount path slice scope device automount";
        let known = name
            .rsplit_once('.')
            .is_some_and(|(_, kind)| has_word(kinds, kind));
        if known {
            name.to_owned()
        } else {
            format!("{name}.service")
        }
    }

    /// `foo@bar.service` has its file in `foo@.service`.
    fn template(name: &str) -> Option<String> {
        let (stem, kind) = name.rsplit_once('.')?;
        let (prefix, instance) = stem.split_once('@')?;
        (!instance.is_empty()).then(|| format!("{prefix}@.{kind}"))
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        let candidates = std::iter::once(name.to_owned()).chain(Self::template(name));
        for candidate in candidates {
            for place in PLACES {
                let path = self.root.join(place).join(&candidate);
                if path.symlink_metadata().is_ok() {
                    return Some(path);
                }
            }
        }
        None
    }

    /// Finds a unit by full name.
    pub(super) fn find(&self, name: &str) -> Lookup {
        let Some(link) = self.file(name) else {
            return Lookup::Missing;
        };
        let mut path = link;
        let mut real = name.to_owned();
        for _ in 0..8 {
            let Ok(target) = fs::read_link(&path) else {
                break;
            };
            if target == Path::new("/dev/null") {
                return Lookup::Masked;
            }
            let file = target.file_name().map(|f| f.to_string_lossy().into_owned());
            if let Some(file) = file
                && !file.contains("@.")
                && !name.contains('@')
            {
                real = file;
            }
            path = match target.strip_prefix("/") {
                Ok(inside) => self.root.join(inside),
                Err(_) => path.parent().unwrap_or(&self.root).join(target),
            };
        }
        let Ok(text) = fs::read_to_string(&path) else {
            return Lookup::Missing;
        };
        if text.is_empty() {
            return Lookup::Masked;
        }
        let mut unit = Unit::new(&real);
        unit.merge(&text);
        let drop_ins = self.drop_ins(&real);
        for file in &drop_ins {
            unit.merge(&fs::read_to_string(file).unwrap_or_default());
        }
        Lookup::Found(Box::new(Found {
            unit,
            path,
            drop_ins,
        }))
    }

    /// `*.conf` of all `NAME.d` directories; for equal names the stronger place wins.
    fn drop_ins(&self, name: &str) -> Vec<PathBuf> {
        let mut found: Vec<(String, PathBuf)> = Vec::new();
        let names = std::iter::once(name.to_owned()).chain(Self::template(name));
        for dir in names.flat_map(|n| PLACES.map(|p| self.root.join(p).join(format!("{n}.d")))) {
            for path in listing(&dir) {
                let file = path
                    .file_name()
                    .map(|f| f.to_string_lossy().into_owned())
                    .unwrap_or_default();
                if path.extension().is_some_and(|e| e == "conf")
                    && !found.iter().any(|(f, _)| *f == file)
                {
                    found.push((file, path));
                }
            }
        }
        found.sort();
        found.into_iter().map(|(_, path)| path).collect()
    }

    /// All unit names of a kind (`service`, ...), templates included.
    pub(super) fn names(&self) -> BTreeSet<String> {
        PLACES
            .iter()
            .flat_map(|p| listing(&self.root.join(p)))
            .filter(|p| !p.is_dir())
            .filter_map(|p| p.file_name().map(|f| f.to_string_lossy().into_owned()))
            .filter(|n| Self::full_name(n) == *n)
            .collect()
    }

    /// What targets of `etc` want: `multi-user.target.wants/x.service` and so on.
    pub(super) fn wanted(&self, targets: &[&str]) -> BTreeSet<String> {
        targets
            .iter()
            .flat_map(|t| ["wants", "requires"].map(|k| self.etc().join(format!("{t}.{k}"))))
            .flat_map(|dir| listing(&dir))
            .filter_map(|p| p.file_name().map(|f| f.to_string_lossy().into_owned()))
            .collect()
    }

    /// The links that enabling makes: path and target file name.
    fn links(&self, found: &Found, name: &str) -> Vec<PathBuf> {
        let mut links = Vec::new();
        for (key, suffix) in [("WantedBy", "wants"), ("RequiredBy", "requires")] {
            for target in found.unit.words("Install", key) {
                links.push(self.etc().join(format!("{target}.{suffix}")).join(name));
            }
        }
        for alias in found.unit.words("Install", "Alias") {
            links.push(self.etc().join(alias));
        }
        links
    }

    /// Enables a unit; gives the lines that systemctl prints.
    pub(super) fn enable(&self, name: &str) -> Result<Vec<String>, String> {
        let found = self.must_find(name)?;
        let name = if name.contains('@') {
            name
        } else {
            &found.unit.name
        };
        let mut said = Vec::new();
        let target = self.in_guest(&found.path);
        for link in self.links(&found, name) {
            if fs::read_link(&link).is_ok_and(|t| t == target) {
                continue;
            }
            if let Some(dir) = link.parent() {
                fs::create_dir_all(dir).map_err(|e| e.to_string())?;
            }
            remove(&link).map_err(|e| e.to_string())?;
            symlink(&target, &link).map_err(|e| e.to_string())?;
            said.push(format!(
                "Created symlink {} → {}.",
                self.in_guest(&link).display(),
                target.display()
            ));
        }
        for also in found.unit.words("Install", "Also") {
            if also != name && self.file(&also).is_some() {
                said.extend(self.enable(&also)?);
            }
        }
        Ok(said)
    }

    /// Disables a unit: every link to it in `etc` goes.
    pub(super) fn disable(&self, name: &str) -> Result<Vec<String>, String> {
        let found = self.must_find(name)?;
        let mut said = Vec::new();
        let mut links = self.links(&found, name);
        for dir in listing(&self.etc()).iter().filter(|d| d.is_dir()) {
            let own = dir.join(name);
            if dir
                .extension()
                .is_some_and(|e| e == "wants" || e == "requires")
                && !links.contains(&own)
            {
                links.push(own);
            }
        }
        for link in links {
            if fs::read_link(&link).is_ok() {
                remove(&link).map_err(|e| e.to_string())?;
                said.push(format!("Removed \"{}\".", self.in_guest(&link).display()));
            }
        }
        for also in found.unit.words("Install", "Also") {
            if also != name && self.file(&also).is_some() {
                said.extend(self.disable(&also)?);
            }
        }
        Ok(said)
    }

    /// Masks a unit, whether it exists or not.
    pub(super) fn mask(&self, name: &str) -> Result<Vec<String>, String> {
        let link = self.etc().join(name);
        if fs::read_link(&link).is_ok_and(|t| t == Path::new("/dev/null")) {
            return Ok(Vec::new());
        }
        if link.symlink_metadata().is_ok_and(|m| m.is_file()) {
            return Err(format!(
                "Failed to mask unit: File '{}' already exists.",
                self.in_guest(&link).display()
            ));
        }
        fs::create_dir_all(self.etc()).map_err(|e| e.to_string())?;
        remove(&link).map_err(|e| e.to_string())?;
        symlink("/dev/null", &link).map_err(|e| e.to_string())?;
        Ok(vec![format!(
            "Created symlink {} → /dev/null.",
            self.in_guest(&link).display()
        )])
    }

    /// Takes a mask away.
    pub(super) fn unmask(&self, name: &str) -> Result<Vec<String>, String> {
        let link = self.etc().join(name);
        if fs::read_link(&link).is_ok_and(|t| t == Path::new("/dev/null")) {
            remove(&link).map_err(|e| e.to_string())?;
            return Ok(vec![format!(
                "Removed \"{}\".",
                self.in_guest(&link).display()
            )]);
        }
        Ok(Vec::new())
    }

    /// Whether a unit starts at boot.
    pub(super) fn enabled(&self, name: &str) -> Enablement {
        match self.find(name) {
            Lookup::Missing => Enablement::Missing,
            Lookup::Masked => Enablement::Masked,
            Lookup::Found(found) => {
                let real = if name.contains('@') {
                    name
                } else {
                    &found.unit.name
                };
                let linked = listing(&self.etc()).iter().any(|dir| {
                    dir.extension()
                        .is_some_and(|e| e == "wants" || e == "requires")
                        && dir.join(real).symlink_metadata().is_ok()
                });
                if linked {
                    Enablement::Enabled
                } else if real != name {
                    Enablement::Alias
                } else if self
                    .links(&found, real)
                    .iter()
                    .any(|l| fs::read_link(l).is_ok())
                {
                    Enablement::Enabled
                } else if found.unit.installable() {
                    Enablement::Disabled
                } else {
                    Enablement::Static
                }
            }
        }
    }

    fn must_find(&self, name: &str) -> Result<Box<Found>, String> {
        match self.find(name) {
            Lookup::Found(found) => Ok(found),
            Lookup::Masked => Err(format!("Unit {name} is masked.")),
            Lookup::Missing => Err(format!("Unit file {name} does not exist.")),
        }
    }

    fn in_guest(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root)
            .map_or_else(|_| path.to_owned(), |p| Path::new("/").join(p))
    }
}

/// Paths in a directory, sorted; none when it cannot be read.
fn listing(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(|e| e.ok().map(|e| e.path()))
        .collect();
    paths.sort();
    paths
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enabling_disabling_and_masking_leave_the_links_of_systemd() {
        let dir = tempfile::tempdir().unwrap();
        let lib = dir.path().join("usr/lib/systemd/system");
        fs::create_dir_all(&lib).unwrap();
        fs::write(
            lib.join("ssh.service"),
            "[Service]\nExecStart=/s\n[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n",
        )
        .unwrap();
        let units = Units::new(dir.path());
        assert_eq!(units.enabled("ssh.service"), Enablement::Disabled);
        assert_eq!(units.enable("ssh.service").unwrap().len(), 2);
        assert!(units.enable("ssh.service").unwrap().is_empty());
        assert_eq!(units.enabled("ssh.service"), Enablement::Enabled);
        assert!(units.wanted(&["multi-user.target"]).contains("ssh.service"));
        let Lookup::Found(found) = units.find("sshd.service") else {
            panic!("alias not found");
        };
        assert_eq!(found.unit.name, "ssh.service");
        assert_eq!(units.disable("ssh.service").unwrap().len(), 2);
        assert_eq!(units.enabled("ssh.service"), Enablement::Disabled);
        units.mask("ssh.service").unwrap();
        assert_eq!(units.enabled("ssh.service"), Enablement::Masked);
        units.unmask("ssh.service").unwrap();
        assert_eq!(units.enabled("ssh.service"), Enablement::Disabled);
        assert_eq!(units.enabled("nope.service"), Enablement::Missing);
    }

    #[test]
    fn instances_use_the_template_and_drop_ins_are_merged() {
        let dir = tempfile::tempdir().unwrap();
        let etc = dir.path().join("etc/systemd/system");
        fs::create_dir_all(etc.join("w@1.service.d")).unwrap();
        fs::write(etc.join("w@.service"), "[Service]\nExecStart=/w %i\n").unwrap();
        fs::write(etc.join("w@1.service.d/a.conf"), "[Service]\nUser=x\n").unwrap();
        let Lookup::Found(found) = Units::new(dir.path()).find("w@1.service") else {
            panic!("instance not found");
        };
        assert_eq!(found.unit.instance(), "1");
        assert_eq!(found.unit.last("Service", "User"), Some("x"));
    }
}
