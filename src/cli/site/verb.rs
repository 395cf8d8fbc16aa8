//! Which verb runs, and the site-config that it works on.

use camino::Utf8Path;

use super::args::{SiteArgs, SiteVerb};
use super::open::OpenSite;
use super::{check, generate, init, names, place, repos, resolve, secrets};
use crate::cli::session::Session;
use crate::diag::{Exit, Failure};
use crate::lab::Lab;
use crate::site::Found;

pub(in crate::cli) fn site(session: &Session, args: &SiteArgs) -> Result<Exit, Failure> {
    if let SiteVerb::Init { dir } = &args.verb {
        // What it makes needs not be there.
        let dir = dir.as_deref().or(args.site.as_deref());
        return init::init(session, dir).map(|()| Exit::Ok);
    }
    if matches!(args.verb, SiteVerb::Repos) {
        // One of them may be the site-config.
        return repos::repos(session);
    }
    let (_, found) = find(session, args.site.as_deref())?;
    let site = OpenSite::new(session, &found.root);
    match &args.verb {
        SiteVerb::Secrets { verb } => secrets::secrets(session, &site, verb),
        SiteVerb::Repos => repos::repos(session),
        SiteVerb::Init { dir } => {
            let dir = dir.as_deref().unwrap_or(&found.root);
            init::init(session, Some(dir)).map(|()| Exit::Ok)
        }
        SiteVerb::NodeConfig(args) => generate::node_config(session, &site, args),
        SiteVerb::HostConfig(args) => generate::host_config(session, &site, args),
        SiteVerb::Where => place::show(session, &found).map(|()| Exit::Ok),
        SiteVerb::Check => check::check(session, &site),
        SiteVerb::List { kind } => names::list(session, &site.tree, *kind).map(|()| Exit::Ok),
        SiteVerb::Resolve(args) => resolve::resolve(session, &site, args).map(|()| Exit::Ok),
    }
}

/// The site-config of an invocation; `flag` is its `--site`. A lab is asked for its
/// own, but needs not be there.
pub(in crate::cli) fn find(
    session: &Session,
    flag: Option<&Utf8Path>,
) -> Result<(Option<Lab>, Found), Failure> {
    let lab = match session.lab() {
        Ok(lab) => Some(lab),
        Err(failure) if failure.exit == Exit::Unknown && session.caller.lab.is_none() => None,
        Err(failure) => return Err(failure),
    };
    let root = lab.as_ref().map(|lab| lab.paths.root());
    let found = session.caller.find_site(flag, root)?;
    Ok((lab, found))
}
