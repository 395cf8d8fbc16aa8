//! Uploads: a multipart body whose file is hashed, and kept when it is small.

use axum::extract::{FromRequest, Multipart, Request};
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use super::error::ApiError;
use super::hex;
use super::params::Params;

/// How much of a file is kept: enough for snippets, nothing of an image.
const KEPT: usize = 256 * 1024;

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
    let mut form = Multipart::from_request(request, &())
        .await
        .map_err(|error| wrong(&error))?;
    let mut params = Params::default();
    while let Some(mut field) = form.next_field().await.map_err(|error| wrong(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        let Some(file) = field.file_name().map(str::to_owned) else {
            let text = field.text().await.map_err(|error| wrong(&error))?;
            params.set(&name, text.trim_end());
            continue;
        };
        let mut sums = Sums::default();
        let mut kept = Vec::new();
        let mut size: u64 = 0;
        while let Some(chunk) = field.chunk().await.map_err(|error| wrong(&error))? {
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
    Ok(params)
}

#[derive(Default)]
struct Sums {
    s224: Sha224,
    s256: Sha256,
    s384: Sha384,
    s512: Sha512,
}

impl Sums {
    fn add(&mut self, bytes: &[u8]) {
        self.s224.update(bytes);
        self.s256.update(bytes);
        self.s384.update(bytes);
        self.s512.update(bytes);
    }

    fn finish(self) -> [String; 4] {
        [
            hex::lower(&self.s224.finalize()),
            hex::lower(&self.s256.finalize()),
            hex::lower(&self.s384.finalize()),
            hex::lower(&self.s512.finalize()),
        ]
    }
}
