//! Who asks for something: all that comes from outside of the lab.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use duct::cmd;

use super::admit::{Kind, admit};
use super::{nodes, set_up};
use crate::diag::{Diagnostic, Exit, Failure};
use crate::lab::environment::{LoadOptions, Loaded, load};
use crate::lab::trust::User;
use crate::lab::{Environment, Lab, Paths, locate};
use crate::rehearse::use_own_keys;
use crate::site::secrets::Vault;
use crate::site::{Found, SYSTEM, Search, Tree, discover, named_by_variable};

/// Set by `hl rehearse` for the `hl` that it runs inside: all that is written
/// goes under `state/rehearsal/`.
pub const REHEARSAL: &str = "HL_REHEARSAL";

/// Beside it, the names of the variables whose values are secret, separated by
/// commas: inside, all of them come from the process environment.
pub const REHEARSAL_SECRETS: &str = "HL_REHEARSAL_HIDDEN";

/// Beside it, `1` where `hl rehearse --ask` wants approvals to wait for an answer.
pub const REHEARSAL_ASKS: &str = "HL_REHEARSAL_ASKS";

/// Who asks, from where, and with which variables.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The environment that the request came with.
    pub process: BTreeMap<String, String>,
    /// The user.
    pub user: User,
    /// Where relative paths begin, and the search for a lab.
    pub cwd: Utf8PathBuf,
    /// The lab that was named, if one was.
    pub lab: Option<Utf8PathBuf>,
    /// Variables that were set for this request, stronger than any other source.
    pub set: Vec<(String, String)>,
}

impl Caller {
    /// A variable that the request came with.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.process.get(name).map(String::as_str)
    }

    /// The lab that is meant. Nothing in it is read before it is known to be the
    /// user's own, or trusted.
    ///
    /// # Errors
    /// There is none (66), it is not trusted (77), its settings are wrong (65).
    pub fn lab(&self) -> Result<Lab, Failure> {
        let root = locate(&self.cwd, self.lab.as_deref())?;
        admit(&self.user, &root, Kind::Lab)?;
        let mut lab = Lab::read(root)?;
        lab.paths = self.with_site(&lab.paths)?;
        if self.rehearsing() {
            lab.paths = lab.paths.rehearsal();
            use_own_keys(&mut lab);
        }
        Ok(lab)
    }

    /// The lab, where there is one; one that was named must be there.
    ///
    /// # Errors
    /// As of [`Caller::lab`].
    pub fn lab_if_any(&self) -> Result<Option<Lab>, Failure> {
        match self.lab() {
            Ok(lab) => Ok(Some(lab)),
            Err(failure) if failure.exit == Exit::Unknown && self.lab.is_none() => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The site-config that is meant: `flag` names one; `lab` is the lab's root, where
    /// there is a lab.
    ///
    /// # Errors
    /// There is none (66), it is not trusted (77).
    pub fn find_site(
        &self,
        flag: Option<&Utf8Path>,
        lab: Option<&Utf8Path>,
    ) -> Result<Found, Failure> {
        let found = self.search(flag, lab)?;
        self.admit_site(&found.root, lab)?;
        Ok(found)
    }

    fn search(&self, flag: Option<&Utf8Path>, lab: Option<&Utf8Path>) -> Result<Found, Failure> {
        discover(&Search {
            flag,
            process: &self.process,
            cwd: &self.cwd,
            lab,
            system: &SYSTEM,
        })
    }

    /// The lab's paths with the site-config that the one search finds. A lab
    /// may be without any; a place that is named must be there.
    fn with_site(&self, paths: &Paths) -> Result<Paths, Failure> {
        match self.search(None, Some(paths.root())) {
            Ok(found) => {
                self.admit_site(&found.root, Some(paths.root()))?;
                Ok(paths.with_site(found.root))
            }
            Err(_) if !named_by_variable(&self.process) => Ok(paths.clone()),
            Err(failure) => Err(failure),
        }
    }

    /// Lets a site-config be used. What is in the lab is as trusted as the lab.
    ///
    /// # Errors
    /// It is not trusted (77).
    pub fn admit_site(&self, site: &Utf8Path, lab: Option<&Utf8Path>) -> Result<(), Failure> {
        let real = site.canonicalize_utf8().unwrap_or_else(|_| site.to_owned());
        if lab.is_some_and(|lab| real.starts_with(lab)) {
            return Ok(());
        }
        admit(&self.user, &real, Kind::Site)
    }

    /// Inside a rehearsal.
    pub fn rehearsing(&self) -> bool {
        self.var(REHEARSAL) == Some("1")
    }

    /// The variables of the lab's tools, before the site says what it knows of
    /// nodes: see [`Caller::with_nodes`].
    ///
    /// # Errors
    /// A file of variables is wrong (65), Doppler does not answer (69).
    pub fn variables(&self, lab: &Lab, ask_doppler: bool) -> Result<Loaded, Failure> {
        let secrets = self.var(REHEARSAL_SECRETS);
        let secrets = secrets.filter(|_| self.rehearsing());
        let options = LoadOptions {
            secret_names: secrets.map_or_else(BTreeSet::new, |names| {
                names.split(',').map(str::to_owned).collect()
            }),
            flags: self.set.clone(),
            process: self.process.clone(),
            ask_doppler,
        };
        load(lab, &options)
    }

    /// The environment with what the site says of each node, and what is to be
    /// known about the site.
    ///
    /// # Errors
    /// The directory of nodes cannot be read (65).
    pub fn with_nodes(
        &self,
        lab: &Lab,
        env: &Environment,
    ) -> Result<(Environment, Vec<Diagnostic>), Failure> {
        let site = lab.paths.site();
        let shown = lab.paths.show(&site);
        let variables = env
            .iter()
            .map(|(name, var)| (name.to_owned(), var.value.clone()))
            .collect();
        let opened = Vault::new(&site, &shown, &variables).load();
        let loaded = opened.as_ref().ok().and_then(Option::as_ref);
        let warnings = loaded.map_or_else(Vec::new, |loaded| loaded.warnings.clone());
        let secrets = opened
            .as_ref()
            .map(|loaded| loaded.as_ref().map(|l| &l.secrets));
        let tree = Tree::new(site.clone(), shown.clone());
        let env = nodes::with_nodes(env, &tree, secrets, self.rehearsing())?;
        let env = set_up::with_set_up(env, &lab.paths, &variables)?;
        Ok((env, warnings))
    }

    /// `user@host`, for the header of a run.
    pub fn operator(&self) -> String {
        let named = ["USER", "LOGNAME"]
            .iter()
            .filter_map(|name| self.var(name))
            .find(|name| !name.is_empty());
        let user = named.map_or_else(name_of_uid, str::to_owned);
        let host = rustix::system::uname();
        format!("{user}@{}", host.nodename().to_string_lossy())
    }
}

#[cfg(test)]
impl Caller {
    /// A caller for tests, in a directory, with variables.
    pub(crate) fn at(cwd: impl Into<Utf8PathBuf>, process: &[(&str, &str)]) -> Self {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let process = process.iter().map(pair).collect();
        Self {
            user: User::of(&process),
            process,
            cwd: cwd.into(),
            lab: None,
            set: Vec::new(),
        }
    }
}

/// The name that the system has for the user; the number where it has none.
pub fn name_of_uid() -> String {
    let said = cmd!("id", "-un").stdin_null().stderr_null().read();
    let name = said.unwrap_or_default().trim().to_owned();
    if name.is_empty() {
        return rustix::process::getuid().as_raw().to_string();
    }
    name
}
