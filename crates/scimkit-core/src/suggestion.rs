//! Suggestions for misspelt names.

/// The maximum length of a misspelt name that is compared, since the cost is quadratic.
const MAX_LENGTH: usize = 64;

/// Returns the end of an error text for a misspelt name: ``, did you mean `userName`?`` with the nearest of the known
/// names, or an empty text if none is near.
///
/// - Case is ignored.
/// - A name is near if at most a third of its characters differ, and at most three.
///
/// # Example
/// ```
/// use scimkit_core::did_you_mean;
///
/// let known = ["userName", "displayName"];
/// assert_eq!(did_you_mean("usrName", known), ", did you mean `userName`?");
/// assert_eq!(did_you_mean("shoeSize", known), "");
/// ```
#[must_use]
pub fn did_you_mean<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    if name.len() > MAX_LENGTH {
        return String::new();
    }
    let lower = name.to_ascii_lowercase();
    let allowed = (name.len().saturating_add(1) / 3).min(3);
    let near = known.into_iter().filter_map(|known| {
        let is_comparable = known.len().abs_diff(name.len()) <= allowed;
        let distance =
            is_comparable.then(|| strsim::osa_distance(&lower, &known.to_ascii_lowercase()))?;
        (distance <= allowed).then_some((distance, known))
    });
    let nearest = near.min_by_key(|(distance, _)| *distance);
    nearest.map_or_else(String::new, |(_, known)| {
        format!(", did you mean `{known}`?")
    })
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn did_you_mean_suggests_the_nearest_name() {
        let known = ["id", "emails", "userName", "userType", "name.givenName"];
        for (name, expected) in [
            ("USERNAM", "userName"),
            ("usertyp", "userType"),
            ("emial", "emails"),
            ("name.givnName", "name.givenName"),
        ] {
            let suggestion = did_you_mean(name, known);
            assert_eq!(
                suggestion,
                format!(", did you mean `{expected}`?"),
                "{name}"
            );
        }
        for name in ["", "x", "title", "manager", "shoeSize"] {
            assert_eq!(did_you_mean(name, known), "", "{name}");
        }
    }

    #[test]
    fn did_you_mean_ignores_long_names() {
        let known = "n".repeat(65);
        assert_eq!(did_you_mean(&known, [known.as_str()]), "");
    }
}
