//! Which verb runs.

use super::args::{PlatformArgs, PlatformVerb};
use super::{bootstrap, eject, init, render, vacuum, validate};
use crate::cli::session::Session;
use crate::diag::{Exit, Failure};

pub(in crate::cli) fn platform(session: &Session, args: &PlatformArgs) -> Result<Exit, Failure> {
    match &args.verb {
        PlatformVerb::Init(args) => init::init(session, args).map(|()| Exit::Ok),
        PlatformVerb::Render(args) => render::render(session, args).map(|()| Exit::Ok),
        PlatformVerb::Bootstrap(args) => bootstrap::bootstrap(session, args),
        PlatformVerb::Validate => validate::validate(session),
        PlatformVerb::Eject(args) => eject::eject(session, args).map(|()| Exit::Ok),
        PlatformVerb::Vacuum => vacuum::vacuum(session).map(|()| Exit::Ok),
    }
}
