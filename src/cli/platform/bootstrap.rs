//! `hl platform bootstrap`: the scripts of the adapters as a run.

use super::args::EnvArgs;
use crate::cli::dry::decide;
use crate::cli::go::go;
use crate::cli::session::Session;
use crate::diag::{Exit, Failure};
use crate::runs::{PlatformRequest, RunRequest};

pub(super) fn bootstrap(session: &Session, args: &EnvArgs) -> Result<Exit, Failure> {
    let dry = decide(session, &session.lab()?)?;
    let request = RunRequest::Platform(PlatformRequest {
        env: args.env.clone(),
    });
    let loaded = session.load(true)?;
    let plan = loaded.plan(&request)?;
    let origin = loaded.origin(request);
    go(session, &loaded, plan, &dry, origin).map(|(exit, _)| exit)
}
