//! Uploads: a multipart body whose file is hashed, and kept when it is small.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request};
use hyper::body::{Body as HttpBody, Frame};
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::error::ApiError;
use super::hex;
use super::params::Params;

/// How much of a file is kept: enough for snippets, nothing of an image.
const KEPT: usize = 256 * 1024;

/// How long the fields beside the file may be, all together with their names:
/// as long as a body without a file.
const FIELDS: usize = 512 * 1024;

/// How much may come before the head of a part is whole; what stands behind it
/// may come with it.
const HEAD: usize = 4 << 20;

/// The parameter that carries the size of the file.
pub(super) const SIZE: &str = "tmpfile-size";
/// The parameter that carries the text of a small file.
pub(super) const TEXT: &str = "tmpfile-text";
/// The parameters that carry the checksums of the file.
pub(super) const SUMS: [&str; 4] = ["sha224", "sha256", "sha384", "sha512"];

/// Reads the fields of an upload. The file becomes `filename`, its size and its
/// checksums; what it holds is dropped while it is read.
pub(super) async fn read(request: Request) -> Result<Params, ApiError> {
    let wrong =
        |error: &dyn std::fmt::Display| ApiError::new(400, format!("upload failed: {error}"));
    let head = Arc::new(AtomicUsize::new(0));
    let request = {
        let head = Arc::clone(&head);
        request.map(|body| Body::new(Watched { body, head }))
    };
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|error| wrong(&error))?;
    let mut params = Params::default();
    let mut fields: usize = 0;
    while let Some(mut field) = form.next_field().await.map_err(|error| wrong(&error))? {
        head.store(0, Ordering::Relaxed);
        let name = field.name().unwrap_or_default().to_owned();
        let Some(file) = field.file_name().map(str::to_owned) else {
            fields = fields.saturating_add(name.len());
            let mut text = Vec::new();
            while let Some(chunk) = field.chunk().await.map_err(|error| wrong(&error))? {
                head.store(0, Ordering::Relaxed);
                fields = fields.saturating_add(chunk.len());
                // What is too long is read, so that the client gets its answer,
                // and dropped.
                if fields <= FIELDS {
                    text.extend_from_slice(&chunk);
                }
            }
            if fields <= FIELDS {
                let text = String::from_utf8_lossy(&text);
                params.set(&name, text.trim_end());
            }
            continue;
        };
        let mut sums = Sums::default();
        let mut kept = Vec::new();
        let mut size: u64 = 0;
        while let Some(chunk) = field.chunk().await.map_err(|error| wrong(&error))? {
            head.store(0, Ordering::Relaxed);
            size += chunk.len() as u64;
            sums.add(&chunk);
            if kept.len() <= KEPT {
                kept.extend_from_slice(&chunk);
            }
        }
        params.set("filename", file);
        params.set(SIZE, size.to_string());
        for (name, sum) in SUMS.iter().zip(sums.finish()) {
            params.set(name, sum);
        }
        if let Some(text) = String::from_utf8(kept)
            .ok()
            .filter(|text| text.len() <= KEPT)
        {
            params.set(TEXT, text);
        }
    }
    if fields > FIELDS {
        return Err(wrong(&format_args!(
            "the fields beside the file are longer than {} KiB",
            FIELDS / 1024
        )));
    }
    Ok(params)
}

/// A body that fails when too much of it comes without a field or a piece of
/// one: the form's reader keeps the head of a part until it is whole.
struct Watched {
    body: Body,
    head: Arc<AtomicUsize>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let next = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(next.map(|frame| {
            let frame = frame?;
            let count = frame.data_ref().map_or(0, Bytes::len);
            let held = self.head.fetch_add(count, Ordering::Relaxed);
            if held + count > HEAD {
                return Err(format!("the head of a part is longer than {} MiB", HEAD >> 20).into());
            }
            Ok(frame)
        }))
    }
}

/// The checksums of what was read.
#[derive(Default)]
pub(super) struct Sums {
    s224: Sha224,
    s256: Sha256,
    s384: Sha384,
    s512: Sha512,
}

impl Sums {
    /// Takes the next bytes.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.s224.update(bytes);
        self.s256.update(bytes);
        self.s384.update(bytes);
        self.s512.update(bytes);
    }

    /// The checksums, in the order of [`SUMS`].
    pub(super) fn finish(self) -> [String; 4] {
        [
            hex::lower(&self.s224.finalize()),
            hex::lower(&self.s256.finalize()),
            hex::lower(&self.s384.finalize()),
            hex::lower(&self.s512.finalize()),
        ]
    }
}
