//! A run as a JUnit file, for CI systems: a suite for every recipe, a case for
//! every step. The format is what Jenkins' xunit plugin and GitLab read; there
//! is no standard.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::tally::{span, times};
use crate::plan::{Ended, Plan, Status, StepId, Tally, sanitize};

type Xml = Writer<Cursor<Vec<u8>>>;

/// One step as a test case.
struct Case<'a> {
    name: &'a str,
    ended: Option<Ended<'a>>,
}

/// The file of a run. Steps that never ended are skipped ones.
///
/// # Errors
/// Never: it is written to memory.
pub fn junit(plan: &Plan, tally: &Tally) -> std::io::Result<String> {
    let mut suites: Vec<(&str, Vec<Case<'_>>)> = Vec::new();
    let ended: BTreeMap<&StepId, Ended<'_>> = tally.ended().map(|e| (e.step, e)).collect();
    for step in &plan.steps {
        let suite = match step.id.recipe() {
            "" => plan.recipe.as_str(),
            recipe => recipe,
        };
        let case = Case {
            name: step.id.name(),
            ended: ended.get(&step.id).copied(),
        };
        match suites.iter_mut().find(|(name, _)| *name == suite) {
            Some((_, cases)) => cases.push(case),
            None => suites.push((suite, vec![case])),
        }
    }
    let took = tally.finished.unwrap_or_default().2;
    document(&plan.recipe, took, tally.ended(), plan.steps.len(), |xml| {
        let mut suites = suites.iter();
        suites.try_for_each(|(name, cases)| suite(xml, name, cases))
    })
}

/// The file of a run that did not start: one case, an error.
///
/// # Errors
/// Never: it is written to memory.
pub fn junit_not_started(name: &str, message: &str) -> std::io::Result<String> {
    let name = clean(name);
    document(&name, Duration::ZERO, std::iter::empty(), 1, |xml| {
        let first = message.lines().next().unwrap_or_default();
        let counts = [
            ("tests", "1"),
            ("failures", "0"),
            ("errors", "1"),
            ("skipped", "0"),
        ];
        xml.create_element("testsuite")
            .with_attribute(("name", name.as_str()))
            .with_attributes(counts)
            .with_attribute(("time", "0.000"))
            .write_inner_content(|xml| {
                xml.create_element("testcase")
                    .with_attribute(("classname", name.as_str()))
                    .with_attribute(("name", "start"))
                    .with_attribute(("time", "0.000"))
                    .write_inner_content(|xml| {
                        xml.create_element("error")
                            .with_attribute(("message", clean(first).as_str()))
                            .write_text_content(BytesText::new(&clean(message)))
                            .map(drop)
                    })
                    .map(drop)
            })
            .map(drop)
    })
}

fn document<'a>(
    name: &str,
    took: Duration,
    ended: impl Iterator<Item = Ended<'a>>,
    tests: usize,
    inner: impl FnOnce(&mut Xml) -> std::io::Result<()>,
) -> std::io::Result<String> {
    let failures = ended.filter(|e| e.end.status == Status::Failed).count();
    let mut xml = Writer::new_with_indent(Cursor::new(Vec::new()), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites")
        .with_attribute(("name", clean(name).as_str()))
        .with_attribute(("tests", tests.to_string().as_str()))
        .with_attribute(("failures", failures.to_string().as_str()))
        .with_attribute(("time", seconds(took).as_str()))
        .write_inner_content(inner)?;
    let mut text = String::from_utf8_lossy(&xml.into_inner().into_inner()).into_owned();
    text.push('\n');
    Ok(text)
}

fn suite(xml: &mut Xml, name: &str, cases: &[Case<'_>]) -> std::io::Result<()> {
    let failed = cases
        .iter()
        .filter(|case| case.status() == Some(Status::Failed));
    let failed = failed.count().to_string();
    let skipped = cases.iter().filter(|case| case.is_skipped()).count();
    let ended: Vec<Ended<'_>> = cases.iter().filter_map(|case| case.ended).collect();
    let took = span(ended.iter().copied());
    let started = ended.into_iter().map(|e| times(e).0).min();
    let mut element = xml
        .create_element("testsuite")
        .with_attribute(("name", clean(name).as_str()))
        .with_attribute(("tests", cases.len().to_string().as_str()))
        .with_attribute(("failures", failed.as_str()))
        .with_attribute(("errors", "0"))
        .with_attribute(("skipped", skipped.to_string().as_str()))
        .with_attribute(("time", seconds(took).as_str()));
    if let Some(started) = started {
        let started = format!("{started:.0}");
        element = element.with_attribute(("timestamp", started.trim_end_matches('Z')));
    }
    let cases = |xml: &mut Xml| cases.iter().try_for_each(|case| case.write(xml, name));
    element.write_inner_content(cases).map(drop)
}

impl Case<'_> {
    fn status(&self) -> Option<Status> {
        self.ended.map(|ended| ended.end.status)
    }

    fn is_skipped(&self) -> bool {
        !matches!(self.status(), Some(Status::Succeeded | Status::Failed))
    }

    fn write(&self, xml: &mut Xml, suite: &str) -> std::io::Result<()> {
        let took = self.ended.map(|ended| ended.end.duration());
        let element = xml
            .create_element("testcase")
            .with_attribute(("classname", clean(suite).as_str()))
            .with_attribute(("name", clean(self.name).as_str()))
            .with_attribute(("time", seconds(took.unwrap_or_default()).as_str()));
        let log = self.ended.and_then(|ended| ended.end.log.as_deref());
        if self.status() == Some(Status::Succeeded) && log.is_none() {
            element.write_empty()?;
            return Ok(());
        }
        element.write_inner_content(|xml| {
            self.result(xml)?;
            if let Some(log) = log {
                xml.create_element("system-out")
                    .write_text_content(BytesText::new(&clean(&format!("full log: {log}"))))?;
            }
            Ok(())
        })?;
        Ok(())
    }

    fn result(&self, xml: &mut Xml) -> std::io::Result<()> {
        let Some(Ended { end, .. }) = self.ended else {
            xml.create_element("skipped")
                .with_attribute(("message", "the run ended before it"))
                .write_empty()?;
            return Ok(());
        };
        let message = clean(&end.summary);
        match end.status {
            Status::Succeeded => {}
            Status::Failed => {
                let exit = end.exit.map(|exit| format!("exit {exit}"));
                let mut lines = end.tail.clone();
                lines.extend(end.help.iter().map(|help| format!("help: {help}")));
                xml.create_element("failure")
                    .with_attribute(("message", message.as_str()))
                    .with_attribute(("type", exit.as_deref().unwrap_or("failed")))
                    .write_text_content(BytesText::new(&clean(&lines.join("\n"))))?;
            }
            Status::Skipped | Status::Blocked | Status::Cancelled | Status::NotPlanned => {
                xml.create_element("skipped")
                    .with_attribute(("message", message.as_str()))
                    .write_empty()?;
            }
        }
        Ok(())
    }
}

/// Text that XML 1.0 can hold, without what steers a terminal.
fn clean(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(sanitize).collect();
    let allowed = |c: &char| !matches!(c, '\u{fffe}' | '\u{ffff}');
    lines.join("\n").chars().filter(allowed).collect()
}

fn seconds(time: Duration) -> String {
    format!("{:.3}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{end_of, ended, over, plan};
    use super::*;
    use crate::plan::Outcome;
    use proptest::prelude::*;
    use quick_xml::Reader;

    fn told(summary: &str, line: &str) -> String {
        let plan = plan(&["l0-r/a", "l2-b/apply", "l2-b/outputs", "l2-b/never"]);
        let mut failed = ended(30, "l2-b/apply", Status::Failed, 20, summary);
        let end = end_of(&mut failed);
        end.tail.push(line.to_owned());
        end.exit = Some(7);
        end.log = Some("state/logs/x/l2-b-apply.log".to_owned());
        let mut tally = Tally::default();
        for event in [
            ended(10, "l0-r/a", Status::Succeeded, 10, "fine"),
            failed,
            ended(30, "l2-b/outputs", Status::Blocked, 0, "needs `l2-b/apply`"),
            over(30, Outcome::Failed, 7),
        ] {
            tally.take(&event);
        }
        junit(&plan, &tally).unwrap()
    }

    #[test]
    fn a_suite_for_every_recipe_and_a_case_for_every_step() {
        insta::assert_snapshot!(told("it <broke> & \"quoted\"", "\u{1b}[31mred\u{0}"), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="up" tests="4" failures="1" time="0.030">
          <testsuite name="l0-r" tests="1" failures="0" errors="0" skipped="0" time="0.010" timestamp="2026-01-01T00:00:00">
            <testcase classname="l0-r" name="a" time="0.010"/>
          </testsuite>
          <testsuite name="l2-b" tests="3" failures="1" errors="0" skipped="2" time="0.020" timestamp="2026-01-01T00:00:00">
            <testcase classname="l2-b" name="apply" time="0.020">
              <failure message="it &lt;broke&gt; &amp; &quot;quoted&quot;" type="exit 7">red</failure>
              <system-out>full log: state/logs/x/l2-b-apply.log</system-out>
            </testcase>
            <testcase classname="l2-b" name="outputs" time="0.000">
              <skipped message="needs `l2-b/apply`"/>
            </testcase>
            <testcase classname="l2-b" name="never" time="0.000">
              <skipped message="the run ended before it"/>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
        let bare = junit_not_started("up dev", "no `hl.toml` here\nsecond line").unwrap();
        assert!(bare.contains("errors=\"1\"") && bare.contains("message=\"no `hl.toml` here\""));
    }

    proptest! {
        #[test]
        fn whatever_a_tool_says_it_stays_xml(summary in "\\PC{0,20}|[\\x00-\\x1f<>&'\"\u{fffe}]{0,20}", line in any::<String>()) {
            let text = told(&summary, &line);
            let mut reader = Reader::from_str(&text);
            reader.config_mut().check_end_names = true;
            loop {
                match reader.read_event() {
                    Ok(Event::Eof) => break,
                    Ok(Event::Start(tag) | Event::Empty(tag)) => {
                        for attribute in tag.attributes() {
                            prop_assert!(attribute.is_ok(), "{}", text);
                        }
                    }
                    Ok(_) => {}
                    Err(error) => prop_assert!(false, "{}: {}", error, text),
                }
            }
            let bad = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
            prop_assert!(!text.contains(bad), "{}", text);
        }
    }
}
