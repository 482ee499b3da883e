//! Excerpts of bodies for reports.

use serde_json::Value;

use super::json::find;

/// Returns the body as one line, if it is JSON. Of a longer body, it returns only the value at the path of the failure.
///
/// If that is still longer than `most` characters, or there is no path, the excerpt is the beginning and the end.
pub(super) fn excerpt(body: &str, point: Option<&str>, most: usize) -> String {
    let document: Option<Value> = serde_json::from_str(body).ok();
    let whole = document
        .as_ref()
        .map_or_else(|| body.to_owned(), Value::to_string);
    let length = whole.chars().count();
    if length <= most {
        // As it was sent, unless it has several lines.
        return if body.contains(['\n', '\r']) {
            whole
        } else {
            body.to_owned()
        };
    }
    let at = point.zip(document.as_ref());
    match at.and_then(|(point, document)| nearest(document, point)) {
        Some((path, value)) if path != "$" => {
            format!(
                "({length} characters) {path} = {}",
                ends(&value.to_string(), most)
            )
        }
        _ => ends(&whole, most),
    }
}

/// Returns the value at a path, or at the longest prefix of the path that exists.
fn nearest<'v, 'p>(document: &'v Value, point: &'p str) -> Option<(&'p str, &'v Value)> {
    let mut path = point;
    loop {
        if let Some(value) = find(document, path) {
            return Some((path, value));
        }
        let cut = path.rfind(['.', '[']).filter(|cut| *cut > 0)?;
        path = path.get(..cut)?;
    }
}

/// Returns the beginning and the end of a text, up to a number of characters.
fn ends(text: &str, most: usize) -> String {
    let length = text.chars().count();
    if length <= most {
        return text.to_owned();
    }
    let tail = most / 4;
    let head: String = text.chars().take(most - tail).collect();
    let end: String = text.chars().skip(length - tail).collect();
    format!("{head} [... {} characters ...] {end}", length - most)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::excerpt;

    #[test]
    fn short_bodies_are_shown_completely() {
        for (body, shown) in [
            ("", ""),
            ("{\"a\": 1}", "{\"a\": 1}"),
            ("{\n  \"a\": 1\n}", "{\"a\":1}"),
            ("no\njson", "no\njson"),
        ] {
            assert_eq!(excerpt(body, Some("$.a"), 100), shown);
        }
    }

    #[test]
    fn point_of_a_long_body_is_shown() {
        let users: Vec<_> = (0..100)
            .map(|i| json!({"id": i, "name": {"urn:a.b": "x".repeat(50)}}))
            .collect();
        let body = json!({ "Resources": users, "totalResults": 100 }).to_string();
        let shown = |point| excerpt(&body, point, 200);
        assert!(shown(Some("$.Resources[70].name")).ends_with(&format!(
            "$.Resources[70].name = {{\"urn:a.b\":\"{}\"}}",
            "x".repeat(50)
        )));
        assert!(shown(Some("$.Resources[70].title")).contains("$.Resources[70] = {\"id\":70,"));
        assert!(shown(Some("$.totalResults")).ends_with("$.totalResults = 100"));
        for point in [
            None,
            Some("$"),
            Some("$.nothing"),
            Some("$["),
            Some("$.Resources"),
        ] {
            let shown = shown(point);
            assert!(
                shown.chars().count() < 300 && shown.contains(" characters ...] "),
                "{shown}"
            );
        }
        assert_eq!(excerpt(&body, None, usize::MAX), body);
    }

    #[test]
    fn end_of_a_long_text_is_shown() {
        let page = format!("<html>{}the cause</html>", "ü".repeat(5000));
        assert!(excerpt(&page, None, 200).ends_with("the cause</html>"));
    }
}
