//! Cells of CSV files that a spreadsheet must not take for formulas.

use std::borrow::Cow;

/// Puts an apostrophe before text that a spreadsheet would take for a formula.
pub(super) fn without_formula(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}").into()
    } else {
        text.into()
    }
}
