//! Downloads from a server on loopback that cuts.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::*;
use crate::base::{Cancel, hex};
use crate::templates::plain_client;

/// Files by path, and after how many bytes each answer in turn breaks off.
#[derive(Default)]
struct Server {
    files: BTreeMap<String, Vec<u8>>,
    cuts: Vec<usize>,
    /// Paths that were asked for, each with where it began.
    asked: Vec<(String, usize)>,
    ranges: bool,
}

struct World {
    dir: tempfile::TempDir,
    url: String,
    server: Arc<Mutex<Server>>,
}

impl World {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let files = files.iter();
        let files = files.map(|(name, bytes)| (format!("/v1/{name}"), bytes.to_vec()));
        let server = Arc::new(Mutex::new(Server {
            files: files.collect(),
            ranges: true,
            ..Server::default()
        }));
        let own = Arc::clone(&server);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(&own, &stream.unwrap());
            }
        });
        Self {
            dir: tempfile::tempdir().unwrap(),
            url,
            server,
        }
    }

    fn to(&self) -> Utf8PathBuf {
        Utf8Path::from_path(self.dir.path())
            .unwrap()
            .join("image.qcow2")
    }

    fn get(&self, sha256: Option<&str>) -> Result<Downloaded, StepError> {
        let to = self.to();
        // No half file at the final name, whenever one looks.
        let never_half = |_: u64, _: Option<u64>| {
            assert!(fs::read(&to).is_ok_and(|found| found == content()) || !to.exists());
        };
        let fetcher = Fetcher {
            client: plain_client(),
            cancel: &Cancel::default(),
            progress: &never_half,
            pause: Duration::ZERO,
        };
        let wanted = Wanted {
            release: &self.url,
            asset: "image.qcow2",
            sha256,
            to: &to,
        };
        download(&fetcher, wanted)
    }

    fn cut(&self, cuts: &[usize]) {
        self.server.lock().unwrap().cuts = cuts.to_vec();
    }

    /// What is in the directory.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn answer(server: &Mutex<Server>, stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
        head.push(std::mem::take(&mut line).trim_end().to_owned());
    }
    let mut server = server.lock().unwrap();
    let path = head[0].split(' ').nth(1).unwrap().to_owned();
    let header = |name: &str| {
        head.iter().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let Some(bytes) = server.files.get(&path).cloned() else {
        write_all(
            stream,
            b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        );
        return;
    };
    let etag = format!("\"{}\"", hex(&Sha256::digest(&bytes)));
    let same = header("if-range").is_none_or(|known| known == etag);
    let begin = header("range")
        .filter(|_| same && server.ranges)
        .and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse::<usize>()
                .ok()
        });
    server.asked.push((path.clone(), begin.unwrap_or_default()));
    let body = &bytes[begin.unwrap_or_default().min(bytes.len())..];
    let status = match begin {
        Some(begin) if begin >= bytes.len() => {
            write_all(stream, b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return;
        }
        Some(begin) => format!(
            "206 Partial Content\r\nContent-Range: bytes {begin}-{}/{}",
            bytes.len() - 1,
            bytes.len()
        ),
        None => "200 OK".to_owned(),
    };
    let cut = if path.contains("SUMS") || path.ends_with(".sha256") || server.cuts.is_empty() {
        body.len()
    } else {
        server.cuts.remove(0).min(body.len())
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nETag: {etag}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    write_all(stream, head.as_bytes());
    write_all(stream, &body[..cut]);
}

/// Who does not read to the end is no failure of the server.
fn write_all(mut stream: &TcpStream, bytes: &[u8]) {
    stream.write_all(bytes).unwrap_or_default();
}

fn content() -> Vec<u8> {
    let mixed = (0..200_000u32).map(|n| n.wrapping_mul(2_654_435_761) >> 13);
    mixed.map(|n| n.to_le_bytes()[0]).collect()
}

fn sha(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

#[test]
fn a_download_cut_at_every_tenth_resumes_to_the_same_checksum() {
    let bytes = content();
    for tenth in 0..=10 {
        let world = World::new(&[("image.qcow2", &bytes)]);
        world.cut(&[bytes.len() * tenth / 10]);
        let done = world.get(Some(&sha(&bytes))).unwrap();
        assert_eq!((done.sha256, done.verified), (sha(&bytes), true), "{tenth}");
        assert_eq!(fs::read(world.to()).unwrap(), bytes);
        assert_eq!(world.names(), ["image.qcow2"]);
        let asked = world.server.lock().unwrap().asked.clone();
        let begins: Vec<usize> = asked.into_iter().map(|(_, begin)| begin).collect();
        let rest = bytes.len() * tenth / 10;
        let expected = match tenth {
            0 => vec![0, 0],
            10 => vec![0],
            _ => vec![0, rest],
        };
        assert_eq!(begins, expected, "{tenth}: what came is not fetched again");
    }
}

#[test]
fn one_that_is_cut_at_each_tenth_in_turn_comes_to_its_end() {
    let bytes = content();
    let world = World::new(&[("image.qcow2", &bytes)]);
    world.cut(&[bytes.len() / 10; 9]);
    assert_eq!(world.get(None).unwrap().sha256, sha(&bytes));
    assert_eq!(world.server.lock().unwrap().asked.len(), 10);
}

#[test]
fn a_try_that_gives_up_leaves_what_came_and_the_next_goes_on() {
    let bytes = content();
    let world = World::new(&[("image.qcow2", &bytes)]);
    world.cut(&[70_000, 0, 0, 0, 0, 0]);
    let error = world.get(None).unwrap_err();
    assert!(error.message.starts_with("cannot download"), "{error}");
    assert!(!world.to().exists());
    assert_eq!(
        fs::metadata(world.dir.path().join(".image.qcow2.part"))
            .unwrap()
            .len(),
        70_000
    );
    assert_eq!(world.get(None).unwrap().sha256, sha(&bytes));
    let last = world.server.lock().unwrap().asked.last().cloned().unwrap();
    assert_eq!(last.1, 70_000);
    assert_eq!(world.names(), ["image.qcow2"]);
}

#[test]
fn a_file_that_was_replaced_meanwhile_is_fetched_from_its_start() {
    let bytes = content();
    let other: Vec<u8> = bytes.iter().rev().copied().collect();
    let world = World::new(&[("image.qcow2", &bytes)]);
    world.cut(&[70_000, 0, 0, 0, 0, 0]);
    world.get(None).unwrap_err();
    let path = "/v1/image.qcow2".to_owned();
    world
        .server
        .lock()
        .unwrap()
        .files
        .insert(path, other.clone());
    assert_eq!(world.get(Some(&sha(&other))).unwrap().sha256, sha(&other));
    // Also from a server that knows no ranges.
    fs::remove_file(world.to()).unwrap();
    world.server.lock().unwrap().ranges = false;
    world.cut(&[70_000]);
    assert_eq!(world.get(Some(&sha(&other))).unwrap().sha256, sha(&other));
}

#[test]
fn what_is_not_what_its_checksum_says_is_removed() {
    let bytes = content();
    let sums = format!("{}  image.qcow2\n", "0".repeat(64));
    for (name, text) in [
        ("SHA256SUMS", sums.as_str()),
        ("image.qcow2.sha256", &"0".repeat(64)),
    ] {
        let world = World::new(&[("image.qcow2", &bytes), (name, text.as_bytes())]);
        let error = world.get(None).unwrap_err();
        assert!(
            error.message.contains("is not what the release says"),
            "{error}"
        );
        assert!(world.names().is_empty(), "{:?}", world.names());
    }
    let right = format!("{}  image.qcow2\n", sha(&bytes));
    let world = World::new(&[("image.qcow2", &bytes), ("SHA256SUMS", right.as_bytes())]);
    assert!(world.get(None).unwrap().verified);
    assert!(world.get(None).unwrap().kept, "it is there already");
}

/// The content in five parts.
fn five() -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let bytes = content();
    let parts = bytes.chunks(bytes.len() / 5).zip(ends());
    let parts = parts.map(|(part, end)| (format!("image.qcow2.part{end}"), part.to_vec()));
    (bytes.clone(), parts.collect())
}

fn of(parts: &[(String, Vec<u8>)], more: &[(&str, &str)]) -> World {
    let parts = parts
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let more = more.iter().map(|(name, text)| (*name, text.as_bytes()));
    World::new(&parts.chain(more).collect::<Vec<_>>())
}

fn sums_of(parts: &[(String, Vec<u8>)]) -> String {
    let lines = parts.iter();
    let lines = lines.map(|(name, bytes)| format!("{}  {name}", sha(bytes)));
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn five_parts_are_joined_and_removed() {
    let (bytes, parts) = five();
    let sums = format!("{}{}  image.qcow2\n", sums_of(&parts), sha(&bytes));
    for more in [Vec::new(), vec![("SHA256SUMS", sums.as_str())]] {
        let world = of(&parts, &more);
        world.cut(&[1000, 2000, 40_000, 3]);
        let done = world.get(None).unwrap();
        assert_eq!((done.parts, &done.sha256), (5, &sha(&bytes)));
        assert_eq!(done.verified, !more.is_empty());
        assert_eq!(world.names(), ["image.qcow2"]);
    }
}

#[test]
fn a_missing_part_is_an_error_and_no_file_is_there() {
    let (_, parts) = five();
    let sums = sums_of(&parts);
    for lost in 0..5 {
        let mut less = parts.clone();
        let (name, _) = less.remove(lost);
        let world = of(&less, &[("SHA256SUMS", &sums)]);
        let error = world.get(None).unwrap_err();
        assert!(error.message.contains(&name) || lost == 0, "{error}");
        assert!(!world.to().exists());
        // One that only the list leaves out, and one that no list tells of.
        let world = of(&parts, &[("SHA256SUMS", &sums_of(&less))]);
        if lost < 4 {
            assert!(world.get(None).unwrap_err().message.contains("missing"));
            let world = of(&less, &[]);
            let error = world.get(None).unwrap_err().message;
            assert!(error.contains("missing"), "{lost}: {error}");
            assert!(!world.to().exists());
        }
    }
}

#[test]
fn a_doubled_part_is_an_error() {
    let (_, mut parts) = five();
    parts[3].1 = parts[1].1.clone();
    for sums in [String::new(), sums_of(&parts)] {
        let world = of(&parts, &[("SHA256SUMS", &sums)]);
        let error = world.get(None).unwrap_err();
        assert!(error.message.contains("doubled"), "{error}");
        assert!(!world.to().exists());
    }
    let twice = format!(
        "{}  image.qcow2.partaa\n{}",
        "1".repeat(64),
        sums_of(&parts)
    );
    let error = of(&parts, &[("SHA256SUMS", &twice)]).get(None).unwrap_err();
    assert!(error.message.contains("two checksums"), "{error}");
}

#[test]
fn a_release_without_it_says_so() {
    let world = World::new(&[]);
    let error = world.get(None).unwrap_err();
    assert_eq!(error.exit, Exit::Unknown);
    assert!(error.message.contains("has no `image.qcow2`"), "{error}");
}
