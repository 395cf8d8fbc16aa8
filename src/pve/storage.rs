//! Calls about storages and what is in them.

use std::time::Duration;

use camino::Utf8Path;
use reqwest::blocking::multipart;

use super::path::percent_encode;
use super::{Appliance, Client, Error, Param, Storage, Upid, Volume};

/// An image of some gigabytes over a slow line.
const UPLOAD: Duration = Duration::from_hours(4);

/// A file that the node is to fetch.
#[derive(Debug, Clone, Copy)]
pub struct Download<'a> {
    /// Where from.
    pub url: &'a str,
    /// `iso` or `import`.
    pub content: &'a str,
    /// Name on the storage; of an import it ends in `.qcow2`, `.raw` or `.vmdk`.
    pub filename: &'a str,
    /// Algorithm (`sha256`, `sha512`) and digest.
    pub checksum: Option<(&'a str, &'a str)>,
}

fn storage_path(node: &str, storage: &str, rest: &str) -> String {
    format!(
        "nodes/{}/storage/{}/{rest}",
        percent_encode(node),
        percent_encode(storage)
    )
}

impl Client {
    /// `GET /nodes/{node}/storage`: the storages of a node that the token may
    /// see.
    pub fn storages(&self, node: &str) -> Result<Vec<Storage>, Error> {
        self.get(&format!("nodes/{}/storage", percent_encode(node)), &[])
    }

    /// `GET .../content`: volumes, of one kind (`iso`, `import`, `images`) or all.
    pub fn storage_content(
        &self,
        node: &str,
        storage: &str,
        content: Option<&str>,
    ) -> Result<Vec<Volume>, Error> {
        let query: Vec<Param<'_>> = content.map(|c| ("content", c)).into_iter().collect();
        self.get(&storage_path(node, storage, "content"), &query)
    }

    /// `DELETE .../content/{volid}`; the task that does it, where there is one.
    pub fn delete_volume(
        &self,
        node: &str,
        storage: &str,
        volid: &str,
    ) -> Result<Option<Upid>, Error> {
        let rest = format!("content/{}", percent_encode(volid));
        self.delete(&storage_path(node, storage, &rest), &[])
    }

    /// `GET /nodes/{node}/aplinfo`: templates of containers that the node can download.
    pub fn appliances(&self, node: &str) -> Result<Vec<Appliance>, Error> {
        self.get(&format!("nodes/{}/aplinfo", percent_encode(node)), &[])
    }

    /// `POST /nodes/{node}/aplinfo`: the node downloads one of them, and verifies it.
    pub fn download_appliance(
        &self,
        node: &str,
        storage: &str,
        template: &str,
    ) -> Result<Upid, Error> {
        let form = [("storage", storage), ("template", template)];
        self.post(&format!("nodes/{}/aplinfo", percent_encode(node)), &form)
    }

    /// `POST .../download-url`: the node fetches a file itself.
    pub fn download_url(
        &self,
        node: &str,
        storage: &str,
        file: Download<'_>,
    ) -> Result<Upid, Error> {
        let mut form = vec![
            ("url", file.url),
            ("content", file.content),
            ("filename", file.filename),
        ];
        if let Some((algorithm, digest)) = file.checksum {
            form.push(("checksum-algorithm", algorithm));
            form.push(("checksum", digest));
        }
        self.post(&storage_path(node, storage, "download-url"), &form)
    }

    /// `POST .../upload`: a local file, checked by the node when a checksum
    /// (algorithm, digest) is given.
    pub fn upload(
        &self,
        node: &str,
        storage: &str,
        content: &str,
        file: &Utf8Path,
        checksum: Option<(&str, &str)>,
    ) -> Result<Upid, Error> {
        let mut form = multipart::Form::new().text("content", content.to_owned());
        if let Some((algorithm, digest)) = checksum {
            form = form
                .text("checksum-algorithm", algorithm.to_owned())
                .text("checksum", digest.to_owned());
        }
        // The file comes last: the node reads parameters before it.
        let form =
            form.file("filename", file.as_std_path())
                .map_err(|error| Error::Unreadable {
                    path: file.to_string(),
                    reason: error.to_string(),
                })?;
        self.post_multipart(&storage_path(node, storage, "upload"), form, UPLOAD)
    }
}
