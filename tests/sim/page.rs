//! The parts of `docs/simulator.md` that are written by tests.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Tests that write the page do so one after the other.
static ONE: Mutex<()> = Mutex::new(());

/// Holds a part of the page, between comments of its name, against what it should be,
/// which may follow from what it is; with `HL_BLESS` it is written.
pub(crate) fn part(name: &str, wanted: impl FnOnce(&str) -> String) {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/simulator.md");
    let text = std::fs::read_to_string(&page).unwrap();
    let (before, rest) = text.split_once(&format!("<!-- {name} -->\n")).unwrap();
    let end = format!("<!-- end of {name} -->");
    let (now, after) = rest.split_once(&end).unwrap();
    let wanted = wanted(now);
    if std::env::var_os("HL_BLESS").is_some() && now != wanted {
        let text = format!("{before}<!-- {name} -->\n{wanted}{end}{after}");
        std::fs::write(&page, text).unwrap();
        return;
    }
    assert_eq!(now, wanted, "HL_BLESS=1 cargo test sim::");
}
