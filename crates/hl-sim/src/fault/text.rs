//! A rule on a command line: `POST /nodes/*/qemu/*/clone hit=2 status=500
//! message="out of luck"`, `task=start exit="no"`, `world=storage-full storage=local`.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use super::rule::FaultRule;

impl FromStr for FaultRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut fields = Map::new();
        let mut errors = Map::new();
        for word in words(text)? {
            let (key, value) = field(&word)?;
            let twice = match key.strip_prefix("errors.") {
                Some(name) => errors.insert(name.to_owned(), value).is_some(),
                None => fields.insert(key.to_owned(), value).is_some(),
            };
            if twice {
                return Err(format!("`{key}` is there twice"));
            }
        }
        if fields.contains_key("errors") {
            return Err("`errors` needs the name of a parameter: `errors.vmid=TEXT`".to_owned());
        }
        if !errors.is_empty() {
            fields.insert("errors".to_owned(), Value::Object(errors));
        }
        serde_json::from_value(Value::Object(fields)).map_err(|error| error.to_string())
    }
}

/// What one word sets.
fn field(word: &str) -> Result<(&str, Value), String> {
    if word.starts_with('/') {
        return Ok(("path", json!(word)));
    }
    if word == "lost" || word == "hang" {
        return Ok((word, json!(true)));
    }
    if let Some((key, value)) = word.split_once('=') {
        let number = matches!(key, "status" | "vmid")
            .then(|| value.parse::<u32>().ok())
            .flatten();
        return Ok((
            key,
            number.map_or_else(|| json!(value), |number| json!(number)),
        ));
    }
    if !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase() || c == ',') {
        return Ok(("method", json!(word)));
    }
    Err(format!(
        "unexpected `{word}`, expected a method (`POST`), a path (`/nodes/*`), `lost`, `hang` or KEY=VALUE"
    ))
}

/// Words at white space; quotes keep it.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut open: Option<char> = None;
    for c in text.chars() {
        match open {
            Some(quote) if quote == c => open = None,
            None if c == '"' || c == '\'' => {
                open = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if let Some(quote) = open {
        return Err(format!("a {quote} is not closed"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_a_table_says() {
        let rule: FaultRule =
            "POST,PUT /nodes/*/qemu hit=2- status=400 message=\"it's bad\" errors.vmid='no good' at=after"
                .parse()
                .unwrap();
        let table: FaultRule = serde_json::from_value(json!({
            "method": "POST,PUT", "path": "/nodes/*/qemu", "hit": "2-", "status": 400,
            "message": "it's bad", "errors": {"vmid": "no good"}, "at": "after",
        }))
        .unwrap();
        assert_eq!(rule, table);
        let lost: FaultRule = "DELETE /x lost".parse().unwrap();
        assert!(lost.lost && !lost.hang);
    }

    #[test]
    fn a_rule_is_written_as_it_is_read() {
        for text in [
            "GET /version slow=200ms",
            "task=clone vmid=110 hit=1 exit=\"he said 'no'\"",
            "/x body=\"<p>\"'\"'\"</p>\"",
            "world=vm-locked vmid=110 lock=backup",
            "PUT /x at=after lost",
        ] {
            let rule: FaultRule = text.parse().unwrap();
            let again: FaultRule = rule.to_string().parse().unwrap();
            assert_eq!(rule, again, "{text}: {rule}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, said) in [
            ("GET /x colour=red", "unknown field `colour`"),
            ("get /x", "unexpected `get`"),
            ("GET /x message=\"a", "a \" is not closed"),
            ("GET /x hit=0", "`hit` is `0`"),
            ("GET GET /x", "`method` is there twice"),
            ("/x status=teapot", "invalid type: string \"teapot\""),
            ("/x errors=y", "`errors` needs the name"),
        ] {
            let error = text.parse::<FaultRule>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
