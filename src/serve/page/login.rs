//! The socket over which `hl serve login` and `hl serve logout` speak to the daemon. It
//! lies in a directory of the user's own, and nobody else may say anything.

use std::io;
use std::sync::Arc;

use super::sessions::{LINK, May};
use crate::app::serving::login_place;
use crate::control::{ControllerReply, ControllerRequest, Server, ask_controller};
use crate::serve::shared::Shared;

/// Answers at the socket of the daemon at this port, as long as the server is kept. It
/// may wait for another daemon to answer.
///
/// # Errors
/// There is no place for the socket, or another daemon has it.
pub(in crate::serve) fn open(shared: &Arc<Shared>, port: u16) -> io::Result<Server> {
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
