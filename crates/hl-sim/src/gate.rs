//! The first bytes of a connection: TLS goes on, plain HTTP is sent to HTTPS.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_layer::Layer;

use super::line::{Cut, Line};

/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;
/// How long a connection may say nothing.
const SILENCE: Duration = Duration::from_secs(10);
/// How much of a plain request is read.
const HEAD_LIMIT: usize = 8 * 1024;

/// Accepts TLS connections, without Nagle's delay: else each answer costs the
/// client's delayed acknowledgement of 40 ms. Each request gets the [`Cut`] of its
/// connection.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    tls: RustlsAcceptor,
}

impl Gate {
    pub(super) fn new(config: RustlsConfig) -> Self {
        Self {
            tls: RustlsAcceptor::new(config),
        }
    }
}

impl<S: Send + 'static> Accept<TcpStream, S> for Gate {
    type Stream = <RustlsAcceptor as Accept<Line, Self::Service>>::Stream;
    type Service = AddExtension<S, Cut>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let tls = self.tls.clone();
        Box::pin(async move {
            stream.set_nodelay(true)?;
            let mut first = [0_u8; 1];
            let count = timeout(SILENCE, stream.peek(&mut first)).await??;
            if count == 1 && first != [HANDSHAKE] {
                timeout(SILENCE, redirect(stream)).await??;
                return Err(io::Error::new(io::ErrorKind::InvalidData, "plain HTTP"));
            }
            let cut = Cut::default();
            let service = Extension(cut.clone()).layer(service);
            tls.accept(Line::new(stream, cut), service).await
        })
    }
}

/// Answers a plain request: 301 for GET and HEAD, 308 for the rest.
async fn redirect(mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut chunk = [0_u8; 1024];
    while head.len() < HEAD_LIMIT && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut chunk).await? {
            0 => break,
            count => head.extend(chunk.iter().take(count)),
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.lines();
    let mut request = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (
        request.next().unwrap_or_default(),
        request.next().unwrap_or("/"),
    );
    let host = lines
        .find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("host").then(|| value.trim())
        })
        .unwrap_or_default();
    let status = match method {
        "GET" | "HEAD" => "301 Moved Permanently",
        _ => "308 Permanent Redirect",
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nLocation: https://{host}{path}\r\nConnection: close\r\n\
         Content-Length: 0\r\n\r\n"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}
