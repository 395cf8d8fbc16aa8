//! A simulated node on loopback, without guests, and the variables that lead a
//! run to it and nowhere else.

use crate::diag::{Exit, Failure};
use hl_sim::{Running, Server, ServerConfig, World};

/// Serves a world on a free port of 127.0.0.1; what is changed there is lost.
///
/// # Errors
/// The simulator cannot start (73).
pub fn serve_on_loopback(world: World) -> Result<Running, Failure> {
    Server::start(ServerConfig::new(world))
        .map_err(|error| Failure::message(Exit::CannotWrite, error.to_string()))
}

/// The variables of a run against that node; `ca` is the file of its authority.
pub fn api_variables(
    running: &Running,
    ca: String,
    token_id: String,
    secret: String,
) -> [(&'static str, String); 6] {
    [
        ("PVE_ACCESS_HOST", format!("https://{}", running.addr())),
        ("PVE_CA_FILE", ca),
        ("PVE_FINGERPRINT", String::new()),
        ("PVE_TLS_INSECURE", String::new()),
        ("PM_TOKEN_ID", token_id),
        ("PM_TOKEN_SECRET", secret),
    ]
}
