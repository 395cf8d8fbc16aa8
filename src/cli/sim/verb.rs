//! Which verb of `hl sim` runs.

use super::args::{SimArgs, SimVerb};
use super::{exports, reset, serve};
use crate::cli::session::Session;
use crate::diag::{Exit, Failure};

pub(in crate::cli) fn sim(session: &Session, args: &SimArgs) -> Result<Exit, Failure> {
    match &args.verb {
        None => serve::serve(session, &args.serve),
        Some(SimVerb::Export { world, clients }) => exports::export(session, world, clients),
        Some(SimVerb::Reset { world }) => reset::reset(session, world),
    }
}
