//! One file over a line that breaks: what came is kept beside the place, and the rest
//! is asked for.
//!
//! Beside `.NAME.part`, which grows, `.NAME.part.from` says which file of the server
//! it is a part of. A server that has another one by then is asked from the start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use reqwest::StatusCode;
use reqwest::blocking::{Client, Response};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_RANGE, ETAG, IF_RANGE, RANGE};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base::{Cancel, hex, if_there};
use crate::diag::{Cause, StepError};
use crate::lab;

/// How often in a row nothing may come.
const TRIES: u32 = 5;
/// How long one answer is read: then the rest is asked for. So a server that says
/// nothing more is noticed.
const ANSWER: Duration = Duration::from_mins(1);
/// The same of a server that gives only whole files.
const WHOLE: Duration = Duration::from_hours(2);

/// Whether there is such a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Got {
    /// It is there as a whole.
    Whole,
    /// The server has none.
    Absent,
}

/// Gets files.
pub(super) struct Fetcher<'a> {
    pub(super) client: Client,
    pub(super) cancel: &'a Cancel,
    /// Told how much there is, and how much there will be where that is known.
    pub(super) progress: &'a dyn Fn(u64, Option<u64>),
    /// Between two tries.
    pub(super) pause: Duration,
}

/// What a part is a part of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PartOf {
    url: String,
    etag: Option<String>,
    length: Option<u64>,
}

/// How one answer ended.
enum Answer {
    Whole,
    Absent,
    /// It broke off, or there is more.
    Cut(String),
    /// What is there is a part of another file.
    Other,
}

/// SHA-256 of a file's content.
pub(super) fn file_hash(path: &Utf8Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            count => hash.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// Where it is said what a part is a part of.
fn beside(part: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{part}.from"))
}

/// Removes a part, and what is said of it.
pub(super) fn discard(part: &Utf8Path) -> Result<(), StepError> {
    for path in [part, &beside(part)] {
        if_there(fs::remove_file(path)).map_err(|error| StepError::io("remove", path, &error))?;
    }
    Ok(())
}

fn length(part: &Utf8Path) -> Result<u64, StepError> {
    let meta = if_there(fs::metadata(part)).map_err(|error| StepError::io("read", part, &error))?;
    Ok(meta.map_or(0, |meta| meta.len()))
}

fn part_of(part: &Utf8Path) -> Option<PartOf> {
    serde_json::from_str(&fs::read_to_string(beside(part)).ok()?).ok()
}

impl Fetcher<'_> {
    /// The file behind a URL, at `part`. What an earlier try left there is gone on
    /// with.
    ///
    /// # Errors
    /// It cannot be had.
    pub(super) fn get(&self, url: &str, part: &Utf8Path) -> Result<Got, StepError> {
        let mut left = TRIES;
        let mut limit = ANSWER;
        loop {
            let before = length(part)?;
            let answer = self.once(url, part, &mut limit)?;
            let why = match answer {
                Answer::Whole => return Ok(Got::Whole),
                Answer::Absent => {
                    discard(part)?;
                    return Ok(Got::Absent);
                }
                Answer::Other => {
                    discard(part)?;
                    "the server has another file now".to_owned()
                }
                Answer::Cut(why) => why,
            };
            let came = length(part)? > before;
            left = if came { TRIES } else { left - 1 };
            if left == 0 {
                let message = format!("cannot download `{url}`: {why}");
                return Err(StepError::new(message)
                    .cause(Cause::Transient)
                    .help(format!("does it work by hand? `curl -LI {url}`"))
                    .help("what came is kept: the next run goes on with it"));
            }
            self.cancel.sleep(self.pause)?;
        }
    }

    fn once(&self, url: &str, part: &Utf8Path, limit: &mut Duration) -> Result<Answer, StepError> {
        let have = length(part)?;
        let known = part_of(part).filter(|known| known.url == url);
        if have > 0 && known.is_none() {
            return Ok(Answer::Other);
        }
        // A compressed answer would be another file with another length.
        let mut request = self
            .client
            .get(url)
            .timeout(*limit)
            .header(ACCEPT_ENCODING, "identity");
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
            let etag = known.as_ref().and_then(|known| known.etag.clone());
            if let Some(etag) = etag {
                request = request.header(IF_RANGE, etag);
            }
        }
        let response = match request.send() {
            Ok(response) => response,
            Err(error) if error.is_builder() => {
                let message = format!("`{url}` cannot be asked for: {}", cause(&error));
                return Err(StepError::new(message).help("expected an https URL"));
            }
            Err(error) => return Ok(Answer::Cut(cause(&error))),
        };
        let status = response.status();
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Answer::Absent),
            StatusCode::OK => {
                if have > 0 {
                    *limit = WHOLE;
                }
                self.take(url, response, part, 0)
            }
            StatusCode::PARTIAL_CONTENT if starts_at(&response) == Some(have) => {
                self.take(url, response, part, have)
            }
            StatusCode::PARTIAL_CONTENT => Ok(Answer::Other),
            StatusCode::RANGE_NOT_SATISFIABLE => {
                let whole = known.and_then(|known| known.length) == Some(have);
                Ok(if whole { Answer::Whole } else { Answer::Other })
            }
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Ok(Answer::Cut(format!("the server answered {status}")))
            }
            _ => Err(StepError::new(format!(
                "cannot download `{url}`: the server answered {status}"
            ))
            .help("correct the URL or the release")),
        }
    }

    /// Appends what comes; `have` is there already.
    fn take(
        &self,
        url: &str,
        mut response: Response,
        part: &Utf8Path,
        have: u64,
    ) -> Result<Answer, StepError> {
        let failed = |error: &io::Error| StepError::io("write", part, error);
        let length = response.content_length().map(|rest| rest + have);
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(have == 0)
            .append(have > 0)
            .open(part)
            .map_err(|error| failed(&error))?;
        if have == 0 {
            let etag = response
                .headers()
                .get(ETAG)
                .and_then(|etag| etag.to_str().ok());
            let about = PartOf {
                url: url.to_owned(),
                // A weak one does not say that the bytes are the same.
                etag: etag
                    .filter(|etag| !etag.starts_with("W/"))
                    .map(str::to_owned),
                length,
            };
            let text = serde_json::to_string(&about).unwrap_or_default();
            lab::write(&beside(part), text, 0o644)?;
        }
        let mut there = have;
        let mut buffer = vec![0; 1 << 16];
        loop {
            if self.cancel.is_cancelled() {
                return Err(crate::base::Cancelled.into());
            }
            match response.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    let bytes = buffer.get(..count).unwrap_or_default();
                    file.write_all(bytes).map_err(|error| failed(&error))?;
                    there += count as u64;
                    (self.progress)(there, length);
                }
                Err(error) => {
                    file.sync_all().map_err(|error| failed(&error))?;
                    return Ok(Answer::Cut(error.to_string()));
                }
            }
        }
        file.sync_all().map_err(|error| failed(&error))?;
        match length {
            Some(length) if there < length => Ok(Answer::Cut("the line broke".to_owned())),
            _ => Ok(Answer::Whole),
        }
    }
}

/// `bytes 100-199/200`: where it begins.
fn starts_at(response: &Response) -> Option<u64> {
    let range = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    range
        .strip_prefix("bytes ")?
        .split('-')
        .next()?
        .parse()
        .ok()
}

/// What is at the bottom of an error.
fn cause(error: &reqwest::Error) -> String {
    let mut why = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        why = cause.to_string();
        source = cause.source();
    }
    why
}
