//! Which verb runs, and the site-config that it works on.

use camino::Utf8Path;

use super::args::{SiteArgs, SiteVerb};
use super::{place, secrets};
use crate::cli::session::Session;
use crate::diag::{Exit, Failure};
use crate::site::{Found, SYSTEM, Search, discover};

pub(in crate::cli) fn site(session: &Session, args: &SiteArgs) -> Result<Exit, Failure> {
    match &args.verb {
        SiteVerb::Secrets(secrets) => {
            secrets::secrets(session, &find(session, args)?.root, &secrets.verb)
        }
        SiteVerb::Where => place::show(session, &find(session, args)?).map(|()| Exit::Ok),
    }
}

/// The site-config of an invocation. A lab is asked for its own, but needs not be there.
pub(super) fn find(session: &Session, args: &SiteArgs) -> Result<Found, Failure> {
    let lab = match session.lab() {
        Ok(lab) => Some(lab),
        Err(failure) if failure.exit == Exit::Unknown && session.globals.lab.is_none() => None,
        Err(failure) => return Err(failure),
    };
    discover(&Search {
        flag: args.site.as_deref(),
        process: &session.process,
        cwd: &session.cwd,
        lab: lab.as_ref().map(|lab| lab.paths.root()).map(Utf8Path::new),
        system: &SYSTEM,
    })
}
