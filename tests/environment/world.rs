//! A lab and a home in a temporary directory, and the real `doppler`.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::OnceLock;
use std::{env, fs};

use camino::{Utf8Path, Utf8PathBuf};
use hl::diag::{Failure, render};
use hl::lab::Lab;
use hl::lab::environment::{LoadOptions, Loaded, load};

/// A token with a recognisable value.
pub(super) const TOKEN: &str = "dp.st.dev.canary0token0canary";

/// See the file's doc.
pub(super) struct World {
    _guard: tempfile::TempDir,
    root: Utf8PathBuf,
    process: BTreeMap<String, String>,
}

impl World {
    /// A lab of these files, with nothing set but where `doppler` is; nothing
    /// when `doppler` is not installed here.
    pub(super) fn new(files: &[(&str, &str)]) -> Option<Self> {
        let doppler = doppler()?;
        let guard = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(guard.path()).unwrap().to_owned();
        for dir in ["lab", "home", "empty"] {
            fs::create_dir(root.join(dir)).unwrap();
        }
        fs::write(root.join("lab/hl.toml"), "").unwrap();
        for (name, text) in files {
            fs::write(root.join("lab").join(name), text).unwrap();
        }
        let mut world = Self {
            process: BTreeMap::new(),
            _guard: guard,
            root,
        };
        let home = world.root.join("home");
        world.set("PATH", doppler.parent().unwrap().as_str());
        world.set("HOME", home.as_str());
        // Never the real one, whatever a test forgets.
        world.set("DOPPLER_API_HOST", "http://127.0.0.1:1");
        Some(world)
    }

    /// Sets a variable of the process environment.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.process.insert(name.to_owned(), value.to_owned());
    }

    /// The lab's root.
    pub(super) fn lab(&self) -> Utf8PathBuf {
        self.root.join("lab")
    }

    /// A directory without any program.
    pub(super) fn empty(&self) -> Utf8PathBuf {
        self.root.join("empty")
    }

    /// Loads the environment.
    pub(super) fn load(&self) -> Result<Loaded, Failure> {
        self.load_with(true)
    }

    /// Loads the environment, asking Doppler or not.
    pub(super) fn load_with(&self, ask_doppler: bool) -> Result<Loaded, Failure> {
        let loaded = load(
            &Lab::read(self.lab()).unwrap(),
            &LoadOptions {
                flags: Vec::new(),
                process: self.process.clone(),
                ask_doppler,
                ..LoadOptions::default()
            },
        );
        let shown = match &loaded {
            Ok(loaded) => format!("{:?}", loaded.warnings),
            Err(failure) => format!(
                "{}{failure:?}",
                render(failure, false, hl::diag::Commands::Live)
            ),
        };
        assert!(!shown.contains("canary"), "a secret is shown: {shown}");
        loaded
    }
}

/// Where the real CLI is: on PATH, or where `scripts/tools` puts it.
fn doppler() -> Option<&'static Utf8Path> {
    static FOUND: OnceLock<Option<Utf8PathBuf>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let script = "eval \"$(bash scripts/tools --print-env)\"; command -v doppler";
        let output = Command::new("bash")
            .args(["-c", script])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .unwrap();
        let path = String::from_utf8(output.stdout).unwrap();
        (!path.trim().is_empty()).then(|| Utf8PathBuf::from(path.trim()))
    });
    if found.is_none() {
        assert!(
            env::var_os("HL_TESTS_NEED_ALL").is_none() && env::var_os("CI").is_none(),
            "doppler is not installed: run scripts/tools"
        );
        eprintln!("skipped: doppler not installed");
    }
    found.as_deref()
}
