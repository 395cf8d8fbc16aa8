//! `hl sim reset`: a kept world is emptied. Its token and its certificate stay.

use camino::Utf8Path;

use super::place::{Place, cannot};
use crate::base::if_there;
use crate::cli::session::Session;
use crate::diag::{Exit, Failure};
use crate::rehearse::{end_left_guests, open_world};
use crate::report::Paint;

pub(super) fn reset(session: &Session, world: &Utf8Path) -> Result<Exit, Failure> {
    let dir = session.caller.cwd.join(world);
    let file = dir.join("world.json");
    if open_world(&dir)?.is_some() {
        return Err(
            Failure::message(Exit::Usage, format!("`{world}` is the world of rehearsals"))
                .help("empty it: `hl rehearse clean`, or begin one with `hl rehearse --fresh`"),
        );
    }
    if !file.exists() {
        let message = format!("there is no world in `{world}`");
        return Err(Failure::message(Exit::Unknown, message));
    }
    let place = Place::open(Some(dir))?;
    // A server that was killed left them.
    let run = place.dir.join("run");
    end_left_guests(run.as_std_path())
        .map_err(|error| Failure::message(Exit::CannotWrite, error))?;
    for name in ["disks", "run"] {
        let path = place.dir.join(name);
        if_there(std::fs::remove_dir_all(&path))
            .map_err(|error| cannot(&format!("remove `{path}`"), &error))?;
    }
    // At last: what is cut off before is still a world.
    std::fs::remove_file(&file).map_err(|error| cannot(&format!("remove `{file}`"), &error))?;
    session.tell(
        Paint::Good,
        "Emptied",
        format!("`{world}`; its token and its certificate stay"),
    );
    Ok(Exit::Ok)
}
