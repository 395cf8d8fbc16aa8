//! One connection: TLS, then HTTP/1.1 or HTTP/2, as long as it is used.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::{Method, Request};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::answering::Answering;
use super::head;
use super::paced::Paced;
use super::peer::{Peer, RequestId};

/// Until TLS is agreed on.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Until a request's head is there, and how long HTTP/1 waits for the next one.
const HEAD: Duration = Duration::from_secs(30);
/// A connection without a new request for so long takes no more; what is being sent is
/// sent to its end.
const IDLE: Duration = Duration::from_mins(1);
/// But for no longer than this.
const LAST: Duration = Duration::from_hours(1);
/// HTTP/2: how often a client is asked whether it is there, and how long it may take.
const PING: Duration = Duration::from_secs(20);
/// Bytes that are buffered of an answer.
const BUFFER: usize = 64 * 1024;
/// HTTP/2: bytes of a head that are read. It counts more of each field than
/// [`super::head`], whose refusal has a body, and the library's has none.
const HEAD_LIST: u32 = 128 * 1024;
/// HTTP/2: requests at once.
const STREAMS: u32 = 64;
/// HTTP/2: requests that were given up and not yet cleared away.
const RESETS: usize = 32;

/// What all connections share.
pub(super) struct Connections {
    tls: TlsAcceptor,
    router: Router,
    http1: auto::Builder<TokioExecutor>,
    http2: auto::Builder<TokioExecutor>,
    requests: AtomicU64,
}

impl Connections {
    pub(super) fn new(tls: TlsAcceptor, router: Router) -> Self {
        let mut http1 = auto::Builder::new(TokioExecutor::new());
        http1
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_buf_size(head::LONGEST);
        let mut http2 = auto::Builder::new(TokioExecutor::new());
        http2
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD_LIST)
            .max_pending_accept_reset_streams(RESETS)
            .max_local_error_reset_streams(RESETS)
            .max_send_buf_size(BUFFER)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PING);
        Self {
            tls,
            router,
            // Which of them it is was agreed on with TLS: a client that says nothing
            // afterwards is waited for as long as for a head.
            http1: http1.http1_only(),
            http2: http2.http2_only(),
            requests: AtomicU64::new(0),
        }
    }

    /// Answers until the client, or its time, or the daemon ends.
    pub(super) async fn serve(
        &self,
        socket: TcpStream,
        peer: Peer,
        mut stopping: watch::Receiver<bool>,
    ) {
        // Answers are small, and are not to wait for more.
        socket.set_nodelay(true).ok();
        let shaken = tokio::select! {
            shaken = timeout(HANDSHAKE, self.tls.accept(Paced::new(socket))) => shaken,
            _ = stopping.changed() => return,
        };
        let stream = match shaken {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::debug!(peer = %peer.0, %error, "no TLS"),
            Err(_) => return tracing::debug!(peer = %peer.0, "no TLS in time"),
        };
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let builder = if is_http2 { &self.http2 } else { &self.http1 };
        let begun = AtomicU64::new(0);
        let to_head = Arc::new(AtomicBool::new(false));
        let service = service_fn(|request: Request<Incoming>| {
            begun.fetch_add(1, Ordering::Relaxed);
            to_head.store(request.method() == Method::HEAD, Ordering::Relaxed);
            self.answer(request, peer)
        });
        let stream = TokioIo::new(Answering::new(stream, Arc::clone(&to_head)));
        let mut connection = pin!(builder.serve_connection(stream, service));
        while !*stopping.borrow_and_update() {
            let before = begun.load(Ordering::Relaxed);
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(peer = %peer.0, %error, "the connection broke");
                    }
                    return;
                }
                () = sleep(IDLE) => {
                    if begun.load(Ordering::Relaxed) == before {
                        break;
                    }
                }
                changed = stopping.changed() => {
                    if changed.is_err() {
                        break;
                    }
                }
            }
        }
        connection.as_mut().graceful_shutdown();
        // Whatever is left after that is cut.
        timeout(LAST, connection).await.ok();
    }

    fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Result<Response, Infallible>> + use<> {
        let id = self.requests.fetch_add(1, Ordering::Relaxed);
        let extensions = request.extensions_mut();
        extensions.insert(peer);
        extensions.insert(RequestId(id));
        self.router.clone().oneshot(request)
    }
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connections")
    }
}
