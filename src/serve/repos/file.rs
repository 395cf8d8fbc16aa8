//! A file as an answer: whole or a part of it, read in small pieces.

use std::io::{self, SeekFrom};
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use camino::Utf8Path;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::snapshot::RepoSnapshot;
use crate::serve::refusal::Refusal;

/// How much of a file is in memory for one request.
const PIECE: usize = 64 << 10;

/// Which bytes were asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    All,
    /// The first and the last of them.
    Range(u64, u64),
    /// None that are there.
    Outside,
}

/// Answers with a file of a snapshot, which stays on the disk until it was sent.
///
/// # Errors
/// It is not there (404).
pub(super) async fn send(
    snapshot: Arc<RepoSnapshot>,
    path: &Utf8Path,
    kind: HeaderValue,
    headers: &HeaderMap,
    with_body: bool,
) -> Result<Response, Refusal> {
    let opened = async {
        let file = File::open(path).await?;
        let size = file.metadata().await?.len();
        Ok::<_, io::Error>((file, size))
    };
    let (mut file, size) = opened.await.map_err(|error| absent(path, &error))?;
    let (status, first, length) = match part(headers, size) {
        Part::All => (StatusCode::OK, 0, size),
        Part::Range(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Part::Outside => return Ok(outside(size)),
    };
    if first > 0 {
        let found = file.seek(SeekFrom::Start(first)).await;
        found.map_err(|error| absent(path, &error))?;
    }
    let body = if with_body {
        pieces(file, length, snapshot)
    } else {
        Body::empty()
    };
    let mut response = answer(body, kind, length);
    *response.status_mut() = status;
    if status == StatusCode::PARTIAL_CONTENT {
        let last = first + length - 1;
        let range = content_range(&format!("bytes {first}-{last}/{size}"));
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    Ok(response)
}

/// An answer with a body of so many bytes, or with none to a question for the head.
pub(super) fn answer(body: Body, kind: HeaderValue, length: u64) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn absent(path: &Utf8Path, error: &io::Error) -> Refusal {
    if error.kind() != io::ErrorKind::NotFound {
        tracing::warn!(%path, %error, "cannot be read");
    }
    Refusal::not_found("File not found")
}

/// So many bytes of a file, as the client takes them.
fn pieces(file: File, length: u64, snapshot: Arc<RepoSnapshot>) -> Body {
    let begin = (file.take(length), snapshot);
    Body::from_stream(stream::try_unfold(begin, |(mut file, snapshot)| async {
        let mut piece = BytesMut::with_capacity(PIECE);
        let read = file.read_buf(&mut piece).await?;
        let next = (read > 0).then(|| (piece.freeze(), (file, snapshot)));
        Ok::<_, io::Error>(next)
    }))
}

/// One range of bytes; several at once, and what is no range, mean the whole file.
fn part(headers: &HeaderMap, size: u64) -> Part {
    // A condition on a version: files have none.
    if headers.contains_key(header::IF_RANGE) {
        return Part::All;
    }
    let range = headers.get(header::RANGE);
    let range = range.and_then(|range| range.to_str().ok());
    let range = range.and_then(|range| range.trim().strip_prefix("bytes="));
    let Some((from, to)) = range.and_then(|range| range.trim().split_once('-')) else {
        return Part::All;
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let last = size.saturating_sub(1);
    match (number(from), number(to)) {
        (Some(from), None) if to.is_empty() && from < size => Part::Range(from, last),
        (Some(from), Some(to)) if from <= to && from < size => Part::Range(from, to.min(last)),
        // The last so many.
        (None, Some(count)) if from.is_empty() && count > 0 && size > 0 => {
            Part::Range(size.saturating_sub(count), last)
        }
        (Some(from), None) if to.is_empty() && from >= size => Part::Outside,
        (Some(from), Some(to)) if from <= to => Part::Outside,
        (None, Some(_)) if from.is_empty() => Part::Outside,
        _ => Part::All,
    }
}

fn outside(size: u64) -> Response {
    let mut refusal = Refusal::bad_path("Range not satisfiable");
    refusal.status = StatusCode::RANGE_NOT_SATISFIABLE;
    let mut response = refusal.into_response();
    let range = content_range(&format!("bytes */{size}"));
    response.headers_mut().insert(header::CONTENT_RANGE, range);
    response
}

fn content_range(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static("bytes */*"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_a_part_and_all_else_the_whole() {
        let of = |range: &'static str, size| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, HeaderValue::from_static(range));
            part(&headers, size)
        };
        for (range, size, expected) in [
            ("bytes=0-0", 10, Part::Range(0, 0)),
            ("bytes=3-", 10, Part::Range(3, 9)),
            ("bytes=3-99", 10, Part::Range(3, 9)),
            ("bytes=-4", 10, Part::Range(6, 9)),
            ("bytes=-99", 10, Part::Range(0, 9)),
            ("bytes=10-", 10, Part::Outside),
            ("bytes=10-12", 10, Part::Outside),
            ("bytes=99999999999999999999-", 10, Part::Outside),
            ("bytes=-0", 10, Part::Outside),
            ("bytes=0-", 0, Part::Outside),
            ("bytes=-1", 0, Part::Outside),
            ("bytes=4-3", 10, Part::All),
            ("bytes=0-1,3-4", 10, Part::All),
            ("bytes=-", 10, Part::All),
            ("bytes=+1-2", 10, Part::All),
            ("lines=0-1", 10, Part::All),
            ("", 10, Part::All),
        ] {
            assert_eq!(of(range, size), expected, "{range} of {size}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=0-0"));
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"v1\""));
        assert_eq!(part(&headers, 10), Part::All);
    }
}
