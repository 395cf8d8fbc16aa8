//! Takes connections, each in a task of its own from its first byte on.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::connection::Connections;
use super::gate::Gate;
use super::peer::Peer;

/// The pause when the system has no more descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts until the daemon stops. Each connection holds a copy of `held` while it
/// lives.
pub(super) async fn accept(
    listener: TcpListener,
    connections: Arc<Connections>,
    gate: Arc<Gate>,
    mut stopping: watch::Receiver<bool>,
    held: mpsc::Sender<Infallible>,
) {
    while !*stopping.borrow_and_update() {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            changed = stopping.changed() => {
                if changed.is_err() {
                    return;
                }
                continue;
            }
        };
        let (socket, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection");
                sleep(PAUSE).await;
                continue;
            }
        };
        let peer = Peer::of(address.ip());
        let Some(admitted) = gate.admit(peer) else {
            tracing::debug!(peer = %peer.0, "too many connections");
            continue;
        };
        let (connections, stopping, held) =
            (Arc::clone(&connections), stopping.clone(), held.clone());
        tokio::spawn(async move {
            connections.serve(socket, peer, stopping).await;
            drop((admitted, held));
        });
    }
}
