//! A report as JUnit XML, for those who show the results of tests.

use std::fmt::Write;

use scimkit_testkit::{
    conformance::{Level, Outcome, Report, Verdict},
    escape_invisible, is_invisible,
};

/// The report: one test case for each requirement that a case asks about.
///
/// What does not hold is a failure at the asked level and above, and skipped below it.
pub(crate) fn of(report: &Report, asked: Level) -> String {
    let (mut cases, mut tests, mut failures, mut skipped) = (String::new(), 0, 0, 0);
    for outcome in &report.outcomes {
        let inner = match &outcome.verdict {
            Verdict::Failed(_) if outcome.requirement.level >= asked => {
                failures += 1;
                element("failure", outcome)
            }
            Verdict::Failed(_) | Verdict::Skipped(_) => {
                skipped += 1;
                element("skipped", outcome)
            }
            Verdict::Passed(_) => String::new(),
            _ => continue,
        };
        tests += 1;
        let requirement = &outcome.requirement;
        let class = escaped(&requirement.place());
        let name = escaped(&format!("{} {}", requirement.id, requirement.requirement));
        // Writing to a string does not fail.
        let _ = writeln!(
            cases,
            "    <testcase classname=\"{class}\" name=\"{name}\">{inner}</testcase>"
        );
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites>\n  \
         <testsuite name=\"scimkit check\" tests=\"{tests}\" failures=\"{failures}\" skipped=\"{skipped}\" errors=\"0\">\n\
         {cases}  </testsuite>\n\
         </testsuites>\n"
    )
}

fn element(name: &str, outcome: &Outcome) -> String {
    let (message, text) = match &outcome.verdict {
        Verdict::Failed(findings) => {
            let reasons = findings
                .iter()
                .map(|finding| finding.failure.reason.as_str());
            let level = outcome.requirement.level.as_str();
            let reasons = reasons.collect::<Vec<_>>().join("; ");
            (format!("{level}: {reasons}"), outcome.to_string())
        }
        Verdict::Skipped(why) => (why.clone(), String::new()),
        _ => return String::new(),
    };
    let (message, text) = (escaped(&message), escaped(&text));
    format!("<{name} message=\"{message}\">{text}</{name}>")
}

/// Text for an element or attribute; what XML 1.0 can't hold becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(escaped, "&#{};", u32::from(letter));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            hidden if is_invisible(hidden) => {
                escaped.push_str(&escape_invisible(hidden.encode_utf8(&mut [0; 4])))
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn text_stays_text() {
        let cases = [
            (
                "a < b && c > \"d\"",
                "a &lt; b &amp;&amp; c &gt; &quot;d&quot;",
            ),
            ("]]>", "]]&gt;"),
            ("a\n\tb", "a&#10;&#9;b"),
            (
                "\0\u{8}\u{1b}[1m\u{ffff}",
                "\u{fffd}\u{fffd}\u{fffd}[1m\u{fffd}",
            ),
            ("Zoë 😀", "Zoë 😀"),
            ("a\u{9b}b\u{202e}c", "a\\u{9b}b\\u{202e}c"),
        ];
        for (text, expected) in cases {
            assert_eq!(escaped(text), expected);
        }
    }
}
