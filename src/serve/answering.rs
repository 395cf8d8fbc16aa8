//! The answers to what is no HTTP, which hyper gives by itself and without a body: they
//! are given the body that all errors have. What a client still sends is read for a
//! moment, so that the system does not reset the connection before the answer is read.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::forward::{forward_flush, forward_read};
use super::refusal::Refusal;

/// How long what comes is thrown away.
const LINGER: Duration = Duration::from_secs(2);
/// How much of it at most, in pieces.
const PIECES: usize = 256;
/// A piece, in bytes.
const PIECE: usize = 4096;
/// Headers of an answer that are looked at.
const HEADERS: usize = 32;

/// A stream of HTTP/1.
#[derive(Debug)]
pub(super) struct Answering<S> {
    inner: S,
    /// What is left to write of the last answer, once there is one of ours.
    last: Option<Bytes>,
    /// Bytes that are to come of the answer that is being written: what a file holds is
    /// no answer. `None` once nobody can tell.
    left: Option<u64>,
    /// The answer to the last request has no body, whatever its head says.
    to_head: Arc<AtomicBool>,
    shut: bool,
    linger: Option<Pin<Box<Sleep>>>,
    pieces: usize,
}

impl<S> Answering<S> {
    /// `to_head` says before each answer whether it is one to HEAD.
    pub(super) fn new(inner: S, to_head: Arc<AtomicBool>) -> Self {
        Self {
            inner,
            last: None,
            left: Some(0),
            to_head,
            shut: false,
            linger: None,
            pieces: PIECES,
        }
    }
}

/// What a write begins that is the first of an answer.
#[derive(Debug, PartialEq, Eq)]
enum Begun {
    /// An answer without a body, which says that the request is no HTTP. Our own answers
    /// have bodies.
    Refused(StatusCode),
    /// An answer of so many bytes, its head among them.
    Whole(u64),
    /// One that ends where its connection does.
    Endless,
}

fn begun(bytes: &[u8], to_head: bool) -> Begun {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head)) = answer.parse(bytes) else {
        return Begun::Endless;
    };
    let named = |name: &str| {
        let mut headers = answer.headers.iter();
        let found = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    let status = answer.code.and_then(|code| StatusCode::from_u16(code).ok());
    let body = named("content-length").and_then(|length| length.parse::<u64>().ok());
    let refusals = [
        StatusCode::BAD_REQUEST,
        StatusCode::URI_TOO_LONG,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    ];
    let without_body =
        |status| to_head || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    match (status, body) {
        (Some(status), Some(0)) if refusals.contains(&status) => Begun::Refused(status),
        (Some(status), _) if without_body(status) => Begun::Whole(length(head)),
        (_, Some(body)) => Begun::Whole(length(head).saturating_add(body)),
        (_, None) => Begun::Endless,
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn answer(status: StatusCode) -> Bytes {
    let body = Refusal::of_status(status).text();
    let reason = status.canonical_reason().unwrap_or_default();
    Bytes::from(format!(
        "HTTP/1.1 {} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         x-content-type-options: nosniff\r\nconnection: close\r\n\r\n{body}",
        status.as_u16(),
        body.len()
    ))
}

forward_read!(Answering);

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Answering<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.left == Some(0) && this.last.is_none() {
            match begun(buf, this.to_head.load(Ordering::Relaxed)) {
                Begun::Refused(status) => this.last = Some(answer(status)),
                Begun::Whole(bytes) => this.left = Some(bytes),
                Begun::Endless => this.left = None,
            }
        }
        let Some(last) = &mut this.last else {
            let written = ready!(Pin::new(&mut this.inner).poll_write(cx, buf))?;
            this.left = this.left.and_then(|left| left.checked_sub(length(written)));
            return Poll::Ready(Ok(written));
        };
        while last.has_remaining() {
            let written = ready!(Pin::new(&mut this.inner).poll_write(cx, last))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            last.advance(written);
        }
        Poll::Ready(Ok(buf.len()))
    }

    forward_flush!();

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.shut {
            ready!(Pin::new(&mut this.inner).poll_shutdown(cx))?;
            this.shut = true;
        }
        if this.last.is_none() {
            return Poll::Ready(Ok(()));
        }
        let end = this.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut piece = [0; PIECE];
        while this.pieces > 0 {
            let mut piece = ReadBuf::new(&mut piece);
            match Pin::new(&mut this.inner).poll_read(cx, &mut piece) {
                Poll::Pending => return end.as_mut().poll(cx).map(Ok),
                Poll::Ready(Ok(())) if !piece.filled().is_empty() => this.pieces -= 1,
                // It has ended, or is lost: the answer is as far as it gets.
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn written(pieces: &[&[u8]]) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(async {
            let (ours, mut theirs) = duplex(100_000);
            let mut ours = Answering::new(ours, Arc::default());
            for piece in pieces {
                ours.write_all(piece).await.unwrap();
            }
            theirs.write_all(&[b'x'; 5000]).await.unwrap();
            let closing = tokio::spawn(async move { ours.shutdown().await.unwrap() });
            let mut text = String::new();
            theirs.read_to_string(&mut text).await.unwrap();
            drop(theirs);
            closing.await.unwrap();
            text
        })
    }

    #[test]
    fn an_error_of_the_protocol_is_given_a_body() {
        let head: &[u8] =
            b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let text = written(&[head]);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 431 "), "{head}");
        assert!(
            head.contains(&format!("content-length: {}\r\n", body.len())),
            "{head}"
        );
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["error"]["code"], "E100");
    }

    #[test]
    fn a_file_may_look_like_an_error() {
        let error: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n";
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", error.len());
        let text = written(&[head.as_bytes(), error]);
        assert_eq!(text, head.clone() + std::str::from_utf8(error).unwrap());
        // What comes behind the file is an answer again.
        let text = written(&[head.as_bytes(), error, error]);
        assert!(text.ends_with('}'), "{text}");
        let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        let text = written(&[chunked.as_bytes(), error]);
        assert!(text.ends_with("content-length: 0\r\n\r\n"), "{text}");
    }

    #[test]
    fn all_other_bytes_pass_as_they_are() {
        let answers: [&[u8]; 4] = [
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 9\r\n\r\n{\"a\": 10}",
            b"HTTP",
        ];
        for answer in answers {
            assert_eq!(written(&[answer]).as_bytes(), answer);
        }
    }
}
