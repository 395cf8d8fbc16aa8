//! Answers as these programs print them: `--output-format text`, `json`, `json-pretty`.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::exchange::CommandReply;
use super::options::Takes;

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    kind: Kind,
    border: bool,
    header: bool,
    quiet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Json,
    Pretty,
}

impl Default for Format {
    fn default() -> Self {
        Self {
            kind: Kind::Text,
            border: true,
            header: true,
            quiet: false,
        }
    }
}

impl Format {
    /// Whether an option is one of the output, and what it takes.
    pub(super) fn takes(option: &str) -> Option<Takes> {
        match option {
            "output-format" => Some(Takes::Value),
            "noborder" | "noheader" | "quiet" | "human-readable" => Some(Takes::Flag),
            _ => None,
        }
    }

    /// Takes such an option; whether it was one.
    pub(super) fn take(&mut self, option: &str, value: &str) -> Result<bool, CommandReply> {
        let yes = value == "1";
        match option {
            "output-format" => {
                self.kind = match value {
                    "text" => Kind::Text,
                    "json" => Kind::Json,
                    "json-pretty" => Kind::Pretty,
                    other => {
                        return Err(CommandReply::failed(format!(
                            "400 Parameter verification failed.\noutput-format: value '{other}' \
                             does not have a value in the enumeration 'text, json, json-pretty'"
                        )));
                    }
                };
            }
            "noborder" => self.border = !yes,
            "noheader" => self.header = !yes,
            "quiet" => self.quiet = yes,
            "human-readable" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// An answer, with a line's end; nothing of nothing.
    pub(super) fn show(self, answer: &Value) -> String {
        if answer.is_null() || self.quiet {
            return String::new();
        }
        match self.kind {
            Kind::Json => format!("{answer}\n"),
            Kind::Pretty => pretty(answer) + "\n",
            Kind::Text => self.text(answer),
        }
    }

    fn text(self, answer: &Value) -> String {
        let (names, rows): (Vec<&str>, Vec<Vec<Cell>>) = match answer {
            Value::Object(fields) => {
                let row = |(key, value): (&String, &Value)| vec![Cell::word(key), Cell::of(value)];
                (vec!["key", "value"], fields.iter().map(row).collect())
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                let objects = items.iter().filter_map(Value::as_object);
                let names: BTreeSet<&str> = objects
                    .clone()
                    .flat_map(|fields| fields.keys().map(String::as_str))
                    .collect();
                let row = |fields: &serde_json::Map<String, Value>| {
                    let cell = |name: &&str| fields.get(*name).map_or_else(Cell::default, Cell::of);
                    names.iter().map(cell).collect()
                };
                let rows = objects.map(row).collect();
                (names.into_iter().collect(), rows)
            }
            Value::Array(items) => {
                return items.iter().map(|item| plain(item) + "\n").collect();
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return plain(answer) + "\n";
            }
        };
        self.table(&names, &rows)
    }

    fn table(self, names: &[&str], rows: &[Vec<Cell>]) -> String {
        if rows.is_empty() {
            return String::new();
        }
        let width = |place: usize, name: &str| {
            let cells = rows.iter().filter_map(|row| row.get(place));
            let widest = cells.map(Cell::width).max().unwrap_or(0);
            widest.max(name.chars().count())
        };
        let widths: Vec<usize> = names
            .iter()
            .enumerate()
            .map(|(place, name)| width(place, name))
            .collect();
        let rule = |[left, line, between, right]: [&str; 4]| {
            let parts: Vec<String> = widths.iter().map(|width| line.repeat(width + 2)).collect();
            format!("{left}{}{right}\n", parts.join(between))
        };
        let head: Vec<Cell> = names.iter().map(|name| Cell::word(name)).collect();
        if !self.border {
            let mut lines: Vec<String> = Vec::new();
            if self.header {
                lines.push(plain_row(&head, &widths));
            }
            lines.extend(rows.iter().map(|row| plain_row(row, &widths)));
            return lines.concat();
        }
        let mut out = rule(["┌", "─", "┬", "┐"]);
        if self.header {
            out += &framed_row(&head, &widths);
            out += &rule(["╞", "═", "╪", "╡"]);
        }
        let framed: Vec<String> = rows.iter().map(|row| framed_row(row, &widths)).collect();
        out += &framed.join(&rule(["├", "─", "┼", "┤"]));
        out + &rule(["└", "─", "┴", "┘"])
    }
}

/// A cell of a table.
#[derive(Debug, Clone, Default)]
struct Cell {
    lines: Vec<String>,
    /// Numbers stand on the right.
    number: bool,
}

impl Cell {
    fn word(text: &str) -> Self {
        Self {
            lines: vec![text.to_owned()],
            number: false,
        }
    }

    fn of(value: &Value) -> Self {
        Self {
            lines: plain(value).lines().map(str::to_owned).collect(),
            number: value.is_number(),
        }
    }

    fn width(&self) -> usize {
        let lines = self.lines.iter();
        lines.map(|line| line.chars().count()).max().unwrap_or(0)
    }

    fn line(&self, number: usize, width: usize) -> String {
        let text = self.lines.get(number).map_or("", String::as_str);
        if self.number {
            format!("{text:>width$}")
        } else {
            format!("{text:<width$}")
        }
    }
}

fn height(row: &[Cell]) -> usize {
    let cells = row.iter().map(|cell| cell.lines.len());
    cells.max().unwrap_or(0).max(1)
}

fn cells(row: &[Cell], widths: &[usize], line: usize) -> Vec<String> {
    let cells = row.iter().zip(widths);
    cells.map(|(cell, width)| cell.line(line, *width)).collect()
}

fn framed_row(row: &[Cell], widths: &[usize]) -> String {
    let line = |number| format!("│ {} │\n", cells(row, widths, number).join(" │ "));
    (0..height(row)).map(line).collect()
}

fn plain_row(row: &[Cell], widths: &[usize]) -> String {
    let line = |number| cells(row, widths, number).join(" ").trim_end().to_owned() + "\n";
    (0..height(row)).map(line).collect()
}

/// A value in a cell or on a line.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(yes) => u8::from(*yes).to_string(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// JSON as Perl's module writes it for people: three spaces, and one before the colon.
pub(super) fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write_pretty(&mut out, value, 0);
    out
}

fn write_pretty(out: &mut String, value: &Value, depth: usize) {
    let inner = "   ".repeat(depth + 1);
    let outer = "   ".repeat(depth);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            out.push('{');
            for (place, (key, value)) in fields.iter().enumerate() {
                let comma = if place == 0 { "" } else { "," };
                write!(out, "{comma}\n{inner}{} : ", Value::from(key.as_str())).ok();
                write_pretty(out, value, depth + 1);
            }
            write!(out, "\n{outer}}}").ok();
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (place, value) in items.iter().enumerate() {
                let comma = if place == 0 { "" } else { "," };
                write!(out, "{comma}\n{inner}").ok();
                write_pretty(out, value, depth + 1);
            }
            write!(out, "\n{outer}]").ok();
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            write!(out, "{value}").ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(options: &[(&str, &str)], value: &Value) -> String {
        let mut format = Format::default();
        for (name, value) in options {
            assert!(format.take(name, value).unwrap());
        }
        format.show(value)
    }

    #[test]
    fn tables_have_frames_and_numbers_on_the_right() {
        let list = json!([{"vmid": 100, "name": "web"}, {"vmid": 7, "name": "db", "up": true}]);
        assert_eq!(
            shown(&[], &list),
            "┌──────┬────┬──────┐\n\
             │ name │ up │ vmid │\n\
             ╞══════╪════╪══════╡\n\
             │ web  │    │  100 │\n\
             ├──────┼────┼──────┤\n\
             │ db   │ 1  │    7 │\n\
             └──────┴────┴──────┘\n"
        );
        assert_eq!(
            shown(&[("noborder", "1"), ("noheader", "1")], &list),
            "web      100\ndb   1     7\n"
        );
        assert_eq!(
            shown(&[("noborder", "1")], &json!({"release": "9.1"})),
            "key     value\nrelease 9.1\n"
        );
        assert_eq!(shown(&[], &json!(["a", "b"])), "a\nb\n");
        assert_eq!(shown(&[], &json!("UPID:x")), "UPID:x\n");
        assert_eq!(shown(&[], &Value::Null), "");
    }

    #[test]
    fn json_is_one_line_or_as_perl_writes_it() {
        let value = json!({"b": [1, {"c": "x"}], "a": {}, "d": []});
        let json = [("output-format", "json")];
        assert_eq!(
            shown(&json, &value),
            "{\"a\":{},\"b\":[1,{\"c\":\"x\"}],\"d\":[]}\n"
        );
        assert_eq!(
            shown(&[("output-format", "json-pretty")], &value),
            "{\n   \"a\" : {},\n   \"b\" : [\n      1,\n      {\n         \"c\" : \"x\"\n      }\n   ],\n   \"d\" : []\n}\n"
        );
        let mut format = Format::default();
        assert!(format.take("output-format", "xml").is_err());
        assert!(!format.take("name", "x").unwrap());
    }
}
