//! Files with very many keys in one map.

use std::fmt::Write;

use super::stage::Stage;

fn keys(count: usize, value: &str) -> String {
    let mut text = String::new();
    for at in 0..count {
        writeln!(text, "  k{at}: {value}").unwrap();
    }
    text
}

#[test]
fn unknown_keys_are_told_and_then_counted() {
    let stage = Stage::example();
    let wrong = format!("defaults:\n{}", keys(20_000, "1"));
    stage.write("site.yaml", &wrong);
    let ran = stage.site("check").exits(65);
    ran.says(&[
        "unknown key `k0`",
        "unknown key `k900`",
        "more findings are not shown",
    ]);
    assert!(!ran.stderr.contains("`k19999`"));
}

#[test]
fn a_secret_file_of_many_keys_is_read() {
    let stage = Stage::example();
    let old = std::fs::read_to_string(stage.path("secrets.yaml")).unwrap();
    let many = keys(20_000, "canary-0123456789-token");
    assert!(old.contains("api_tokens:\n"), "{old}");
    stage.write(
        "secrets.yaml",
        &old.replacen("api_tokens:\n", &format!("api_tokens:\n{many}"), 1),
    );
    let ran = stage.site("check").run();
    assert!(!ran.stderr.contains("canary-0123456789"), "{}", ran.stderr);
    assert!([0, 65].contains(&ran.code), "{}", ran.stderr);
}
