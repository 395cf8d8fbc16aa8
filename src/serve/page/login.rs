//! The socket over which `hl serve login` and `hl serve logout` speak to the daemon. It
//! lies in a directory of the user's own, and nobody else may say anything.

use std::io;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::sessions::{LINK, May};
use crate::app::serving::login_place;
use crate::control::{ControllerReply, ControllerRequest, Server, ask_controller};
use crate::serve::shared::Shared;

/// Listens until it is told to stop.
///
/// # Errors
/// There is no place for the socket, or another daemon has it.
pub(in crate::serve) async fn listen(
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let server = spawn_blocking(move || open(&shared));
    let server = server.await.map_err(io::Error::other)??;
    while !*stop.borrow_and_update() {
        if stop.changed().await.is_err() {
            break;
        }
    }
    spawn_blocking(move || drop(server))
        .await
        .map_err(io::Error::other)
}

fn open(shared: &Arc<Shared>) -> io::Result<Server> {
    let port = shared
        .url
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    let port = port.ok_or_else(|| io::Error::other("the URL of the daemon has no port"))?;
    let place = login_place(&shared.caller, port);
    if let Ok(Some(ControllerReply::Serving { url })) =
        ask_controller(&place, &ControllerRequest::Status)
    {
        let message = format!("another `hl serve` gives out logins: {url}");
        return Err(io::Error::new(io::ErrorKind::AddrInUse, message));
    }
    let shared = Arc::clone(shared);
    Server::answering(&place, move |asked| match asked {
        Ok(request) => answer(&shared, &request),
        Err(why) => ControllerReply::Refused { why },
    })
}

fn answer(shared: &Shared, request: &ControllerRequest) -> ControllerReply {
    let url = &shared.url;
    match request {
        ControllerRequest::Status => ControllerReply::Serving { url: url.clone() },
        ControllerRequest::Login { operate } => {
            let may = if *operate { May::Operate } else { May::Read };
            match shared.sessions.link(may) {
                Ok(link) => ControllerReply::Link {
                    url: format!("{url}/login?link={link}"),
                    seconds: LINK.as_secs(),
                },
                Err(error) => ControllerReply::Refused {
                    why: format!("the system gives no random bytes: {error}"),
                },
            }
        }
        ControllerRequest::Logout => ControllerReply::LoggedOut {
            sessions: shared.sessions.leave_all(),
        },
    }
}
