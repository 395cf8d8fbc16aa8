//! Guests and nodes with files, and the few programs that the simulator runs there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use hl_sim::{AgentRun, GuestSpec, Guests};

/// A file: its content, its time, and what was changed of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    pub(crate) content: Vec<u8>,
    pub(crate) time: i64,
    pub(crate) owner: String,
    pub(crate) mode: String,
}

/// Files by the number of their guest or node, and by path.
#[derive(Default)]
pub(crate) struct Folders {
    files: Mutex<BTreeMap<(u32, String), File>>,
    ends: Mutex<Vec<AgentRun>>,
    clock: Mutex<i64>,
}

impl Folders {
    pub(crate) fn file(&self, number: u32, path: &str) -> Option<File> {
        let files = self.files.lock().unwrap();
        files.get(&(number, path.to_owned())).cloned()
    }

    pub(crate) fn text(&self, number: u32, path: &str) -> Option<String> {
        let file = self.file(number, path)?;
        Some(String::from_utf8(file.content).unwrap())
    }

    /// A file that somebody writes, later than all others.
    pub(crate) fn put(&self, number: u32, path: &str, content: &[u8]) {
        let mut clock = self.clock.lock().unwrap();
        *clock += 1;
        let file = File {
            content: content.to_vec(),
            time: *clock,
            ..File::default()
        };
        let mut files = self.files.lock().unwrap();
        files.insert((number, path.to_owned()), file);
    }

    pub(crate) fn remove(&self, number: u32, path: &str) {
        let mut files = self.files.lock().unwrap();
        files.remove(&(number, path.to_owned()));
    }

    fn run(&self, number: u32, argv: &[&str]) -> AgentRun {
        let mut files = self.files.lock().unwrap();
        let mut out = String::new();
        let mut change = |path: &str, change: &dyn Fn(&mut File)| {
            files
                .get_mut(&(number, path.to_owned()))
                .map(change)
                .is_some()
        };
        let done = match argv {
            ["mkdir", ..] => true,
            ["find", folder, ..] => {
                for ((own, path), file) in &*files {
                    let name = path.strip_prefix(&format!("{folder}/"));
                    if let (true, Some(name)) = (*own == number, name) {
                        let size = file.content.len();
                        write!(out, "{size} {}.0 {name}\0", file.time).unwrap();
                    }
                }
                true
            }
            ["rm", "-f", "--", path] => {
                files.remove(&(number, (*path).to_owned()));
                true
            }
            ["touch", "-d", time, "--", path] => {
                let time = time.trim_start_matches('@').parse().unwrap();
                change(path, &|file| file.time = time)
            }
            ["chown", owner, "--", path] => {
                change(path, &|file| (*owner).clone_into(&mut file.owner))
            }
            ["chmod", mode, "--", path] => change(path, &|file| (*mode).clone_into(&mut file.mode)),
            ["getent", "--", database, "ops"] => {
                out = format!("ops:x:{}:", if *database == "passwd" { 1000 } else { 1001 });
                true
            }
            _ => false,
        };
        AgentRun {
            code: Some(i32::from(!done)),
            out: out.into_bytes(),
            err: argv.join(" ").into_bytes(),
            ..AgentRun::default()
        }
    }
}

impl Guests for Folders {
    fn create_disk(&self, _: &str, _: Option<&str>) -> Result<(), String> {
        Ok(())
    }
    fn clone_disk(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn rename_disk(&self, _: &str, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn remove_disk(&self, _: &str) -> Result<(), String> {
        Ok(())
    }
    fn start(&self, _: &GuestSpec) -> Result<(), String> {
        Ok(())
    }
    fn stop(&self, _: u32) -> Result<(), String> {
        Ok(())
    }
    fn agent_ready(&self, _: u32) -> bool {
        true
    }
    fn exec(&self, number: u32, argv: &[String], _: &[u8]) -> Result<i32, String> {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let ended = self.run(number, &words);
        let mut ends = self.ends.lock().unwrap();
        ends.push(ended);
        Ok(i32::try_from(ends.len()).unwrap() - 1)
    }
    fn exec_status(&self, _: u32, pid: i32) -> Result<Option<AgentRun>, String> {
        let ends = self.ends.lock().unwrap();
        Ok(ends.get(usize::try_from(pid).unwrap()).cloned())
    }
    fn read_file(&self, number: u32, path: &str) -> Result<(Vec<u8>, bool), String> {
        let mut content = self
            .file(number, path)
            .ok_or_else(|| {
                format!("failed to open file '{path}' (mode: 'r'): No such file or directory")
            })?
            .content;
        let more = content.len() > 1 << 20;
        content.truncate(1 << 20);
        Ok((content, more))
    }
    fn write_file(&self, number: u32, path: &str, content: &[u8]) -> Result<(), String> {
        if path.ends_with('/') {
            return Err(format!(
                "failed to open file '{path}' (mode: 'w'): Is a directory"
            ));
        }
        self.put(number, path, content);
        Ok(())
    }
}
