//! Text with slots: `{name.givenName} {name.familyName}`.

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Piece {
    /// The index of a slot.
    Slot(usize),
    Text(String),
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Template {
    pub(super) pieces: Vec<Piece>,
    pub(super) slots: Vec<String>,
}

const MAX_LENGTH: usize = 1024;
const MAX_SLOTS: usize = 32;

impl Template {
    /// Parses a template: `{{` and `}}` stand for braces; quoted braces belong to the slot.
    pub(super) fn parse(text: &str) -> Result<Template, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!(
                "the template has more than {MAX_LENGTH} bytes: shorten it"
            ));
        }
        let mut template = Template {
            pieces: Vec::new(),
            slots: Vec::new(),
        };
        let mut plain = String::new();
        let mut signs = text.chars().peekable();
        while let Some(sign) = signs.next() {
            match sign {
                '{' | '}' if signs.next_if_eq(&sign).is_some() => plain.push(sign),
                '{' => {
                    let slot = slot(&mut signs).ok_or(
                        "a slot is empty or not closed: write `{name}`, or `{{` for a brace",
                    )?;
                    if !plain.is_empty() {
                        template
                            .pieces
                            .push(Piece::Text(std::mem::take(&mut plain)));
                    }
                    let index = template.slots.iter().position(|known| *known == slot);
                    template
                        .pieces
                        .push(Piece::Slot(index.unwrap_or(template.slots.len())));
                    if index.is_none() {
                        template.slots.push(slot);
                    }
                }
                '}' => {
                    return Err("unexpected `}`: write `}}` for a brace".to_owned());
                }
                other => plain.push(other),
            }
        }
        if !plain.is_empty() {
            template.pieces.push(Piece::Text(plain));
        }
        match template.slots.len() {
            0 => Err("the template has no slots: use `constant`".to_owned()),
            1..=MAX_SLOTS => Ok(template),
            _ => Err(format!(
                "too many slots: a template has at most {MAX_SLOTS}"
            )),
        }
    }

    /// Fills the slots; `None` if none of them has a value.
    ///
    /// White space around a slot without a value is reduced to one piece.
    pub(super) fn fill(&self, values: &[Option<String>]) -> Option<String> {
        if values.iter().flatten().all(String::is_empty) {
            return None;
        }
        let mut text = String::new();
        let mut missing = false;
        for piece in &self.pieces {
            let part = match piece {
                Piece::Slot(index) => values.get(*index).and_then(Option::as_deref).unwrap_or(""),
                Piece::Text(text) => text,
            };
            missing |= part.is_empty();
            if missing && (text.is_empty() || text.ends_with(char::is_whitespace)) {
                text.push_str(part.trim_start());
            } else {
                text.push_str(part);
            }
        }
        if missing {
            text.truncate(text.trim_end().len());
        }
        Some(text).filter(|text| !text.is_empty())
    }
}

fn slot(signs: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<String> {
    let (mut slot, mut quoted, mut escaped) = (String::new(), false, false);
    loop {
        let sign = signs.next()?;
        match sign {
            '}' if !quoted => break,
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && sign == '\\' && !escaped;
        slot.push(sign);
    }
    let slot = slot.trim();
    (!slot.is_empty()).then(|| slot.to_owned())
}

#[cfg(test)]
mod tests {
    use super::Template;

    fn fill(template: &str, values: &[&str]) -> Option<String> {
        let values: Vec<_> = values
            .iter()
            .map(|v| Some((*v).to_owned()).filter(|v| !v.is_empty()))
            .collect();
        Template::parse(template).unwrap().fill(&values)
    }

    #[test]
    fn slots_are_filled() {
        assert_eq!(fill("{a} {b}", &["x", "y"]).as_deref(), Some("x y"));
        assert_eq!(fill("{a} {b}", &["", "y"]).as_deref(), Some("y"));
        assert_eq!(fill("{a} {b} {c}", &["x", "", "z"]).as_deref(), Some("x z"));
        assert_eq!(fill("{a} {b}", &["x", ""]).as_deref(), Some("x"));
        assert_eq!(fill("{a} {b}", &["", ""]), None);
        assert_eq!(fill("{{{a}}}", &["x"]).as_deref(), Some("{x}"));
        let path = Template::parse(r#"{emails[type eq "}\"}"].value}"#).unwrap();
        assert_eq!(path.slots, [r#"emails[type eq "}\"}"].value"#]);
    }

    #[test]
    fn invalid_templates_are_rejected() {
        for text in ["", "plain", "{", "{}", "{ }", "}", "{a", "{a\"}", "x}y"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
        assert!(Template::parse(&"{a}".repeat(400)).is_err());
        let many: String = (0..33).map(|n| format!("{{a{n}}}")).collect();
        assert!(Template::parse(&many).is_err());
    }
}
