//! Which verb runs, and the site-config that it works on.

use camino::Utf8Path;

use super::args::{SiteArgs, SiteVerb};
use super::{check, generate, init, names, place, resolve, secrets};
use crate::cli::session::Session;
use crate::diag::{Diagnostic, Exit, Failure};
use crate::site::secrets::{Loaded, Secrets, Vault};
use crate::site::{Found, SYSTEM, Search, Tree, discover};

pub(in crate::cli) fn site(session: &Session, args: &SiteArgs) -> Result<Exit, Failure> {
    if let SiteVerb::Init(init) = &args.verb {
        // What it makes needs not be there.
        return init::init(session, args.site.as_deref(), init).map(|()| Exit::Ok);
    }
    let found = find(session, args)?;
    let ground = Ground {
        tree: Tree::new(&found.root, shown(session, &found)),
    };
    match &args.verb {
        SiteVerb::Secrets(args) => secrets::secrets(session, &found.root, &args.verb),
        SiteVerb::Init(args) => init::init(session, Some(&found.root), args).map(|()| Exit::Ok),
        SiteVerb::NodeConfig(args) => {
            generate::node_config(session, &found.root, args).map(|()| Exit::Ok)
        }
        SiteVerb::HostConfig(args) => {
            generate::host_config(session, &found.root, args).map(|()| Exit::Ok)
        }
        SiteVerb::Where => place::show(session, &found).map(|()| Exit::Ok),
        SiteVerb::Check => check::check(session, &ground),
        SiteVerb::List { kind } => names::list(session, &ground.tree, *kind).map(|()| Exit::Ok),
        SiteVerb::Resolve(args) => resolve::resolve(session, &ground, args).map(|()| Exit::Ok),
    }
}

/// What the verbs work on.
pub(super) struct Ground {
    /// The site-config.
    pub(super) tree: Tree,
}

impl Ground {
    /// Its directory as it is said.
    pub(super) fn shown(&self) -> &str {
        match self.tree.shown_root().as_str() {
            "" => ".",
            shown => shown,
        }
    }

    /// Its secrets, opened as far as they can be read, with what is wrong.
    pub(super) fn opened(
        &self,
        session: &Session,
    ) -> Result<Option<(Loaded, Vec<Diagnostic>)>, Failure> {
        self.vault(session).load_partly()
    }

    /// Its secrets, opened; warnings go to stderr.
    pub(super) fn secrets(&self, session: &Session) -> Result<Option<Secrets>, Failure> {
        let Some(loaded) = self.vault(session).load()? else {
            return Ok(None);
        };
        session.warn(&loaded.warnings);
        Ok(Some(loaded.secrets))
    }

    fn vault<'a>(&'a self, session: &'a Session) -> Vault<'a> {
        Vault::new(self.tree.root(), self.tree.shown_root(), &session.process)
    }
}

/// The site-config of an invocation. A lab is asked for its own, but needs not be there.
pub(super) fn find(session: &Session, args: &SiteArgs) -> Result<Found, Failure> {
    let lab = match session.lab() {
        Ok(lab) => Some(lab),
        Err(failure) if failure.exit == Exit::Unknown && session.globals.lab.is_none() => None,
        Err(failure) => return Err(failure),
    };
    let lab = lab.as_ref().map(|lab| lab.paths.root());
    let found = discover(&Search {
        flag: args.site.as_deref(),
        process: &session.process,
        cwd: &session.cwd,
        lab,
        system: &SYSTEM,
    })?;
    session.admit_site(&found.root, lab)?;
    Ok(found)
}

/// Its path as it is said: from here when it is below, else whole.
fn shown<'f>(session: &Session, found: &'f Found) -> &'f Utf8Path {
    found.root.strip_prefix(&session.cwd).unwrap_or(&found.root)
}
