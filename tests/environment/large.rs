//! Files of variables that are larger than anybody writes.

use std::fmt::Write;

use crate::support::TestLab;

fn lab() -> TestLab {
    let lab = TestLab::empty();
    lab.write(
        "layers/l1-x/layer.toml",
        "[layer]\nid = \"l1\"\nname = \"x\"\n[[recipe]]\nname = \"r\"\n[[recipe.step]]\nid = \"s\"\n\
         use = \"command\"\nwith = { argv = [\"echo\", \"{{ var.V199999 }}\"] }\n",
    );
    lab
}

#[test]
fn a_value_of_fifty_megabytes_is_a_finding() {
    let lab = lab();
    let value = "hunter2 ".repeat((50 << 20) / 8);
    lab.write(".env", &format!("A=1\nBLOB='{value}'\n"));
    let ran = lab.hl("plan r").exits(65);
    ran.says(&[
        "the value of `BLOB` has 52428800 bytes, a program can be given at most 131066",
        "--> .env:2:1",
        "BLOB=(not shown)",
    ]);
    assert!(!ran.stderr.contains("hunter2") && ran.stderr.len() < 2000);
}

#[test]
fn a_file_of_more_than_that_is_not_read() {
    let lab = lab();
    let file = std::fs::File::create(lab.path(".env")).unwrap();
    file.set_len(100 << 30).unwrap();
    lab.hl("plan r")
        .exits(65)
        .says(&["`.env` is larger than 64 MiB, expected a file of variables"]);
}

#[test]
fn two_hundred_thousand_variables_are_read() {
    let lab = lab();
    let mut text = String::new();
    for at in 0..200_000 {
        writeln!(text, "V{at}=value-{at}").unwrap();
    }
    lab.write(".env", &text);
    lab.hl("plan r").exits(0).says(&["echo value-199999"]);
}

#[test]
fn mistakes_in_every_line_are_counted() {
    let lab = lab();
    lab.write(".env", &"such thing\n".repeat(50_000));
    lab.hl("plan r")
        .exits(65)
        .says(&["--> .env:1000:1", "49000 more findings are not shown"]);
}
