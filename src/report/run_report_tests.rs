//! Reports of made-up runs.

use super::super::testing::{ended, info, over, plan};
use super::*;
use camino::Utf8Path;

fn events(outcome: Outcome) -> Vec<Event> {
    let mut begin = over(0, outcome, 0);
    begin.kind = EventKind::RunStarted(info());
    vec![
        begin,
        ended(1000, "l0-r/a", Status::Succeeded, 1000, "fine"),
        ended(3000, "l2-x/apply", Status::Failed, 2000, "a | b\nbroke"),
        ended(
            3000,
            "l2-x/outputs",
            Status::Blocked,
            0,
            "needs `l2-x/apply`",
        ),
        over(3000, outcome, 2),
    ]
}

fn report(paths: &Paths, outcome: Outcome) {
    let plan = plan(&["l0-r/a", "l2-x/apply", "l2-x/outputs"]);
    let mut listener = RunReport::new(
        paths,
        &plan,
        Handoffs::new(),
        Some("pve".to_owned()),
        Some("hl resume abcd".to_owned()),
        &Redactor::default(),
    );
    for event in events(outcome) {
        listener.event(&event).unwrap();
    }
}

#[test]
fn two_runs_of_one_second_have_two_reports() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
    report(&paths, Outcome::Failed);
    report(&paths, Outcome::Succeeded);
    report(&paths, Outcome::Failed);
    let mut names: Vec<String> = paths
        .reports()
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_owned())
        .collect();
    names.sort();
    let stamp = names[0]
        .split('.')
        .next()
        .unwrap()
        .split("-2")
        .next()
        .unwrap()
        .to_owned();
    let stamp = stamp.get(..15).unwrap_or(&stamp).to_owned();
    let expected = [
        format!("{stamp}-2.passed.json"),
        format!("{stamp}-2.passed.md"),
        format!("{stamp}-3.failed.json"),
        format!("{stamp}-3.failed.md"),
        format!("{stamp}.failed.json"),
        format!("{stamp}.failed.md"),
    ];
    assert_eq!(names, expected);
}

#[test]
fn they_say_what_happened_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::live(Utf8Path::from_path(dir.path()).unwrap());
    report(&paths, Outcome::Failed);
    let logs = paths.logs(&info().id);
    let read = |path: Utf8PathBuf| std::fs::read_to_string(path).unwrap();
    let md = paths
        .reports()
        .read_dir_utf8()
        .unwrap()
        .map(|entry| entry.unwrap().into_path())
        .find(|path| path.extension() == Some("md"))
        .unwrap();
    insta::assert_snapshot!(read(md));
    insta::assert_snapshot!(read(logs.join("summary.md")));
    insta::assert_snapshot!(read(logs.join("summary.json")));
}
