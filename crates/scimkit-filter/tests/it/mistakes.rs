//! The error messages for common mistakes, in full.

use scimkit_filter::Filter;

/// Blocks of a text and its `{:#}` message, with a blank line between them.
#[test]
fn errors_explain_common_mistakes() {
    let blocks = include_str!("mistakes.txt").trim_end().split("\n\n");
    assert!(blocks.clone().count() >= 20);
    for block in blocks {
        let (text, explained) = block.split_once('\n').expect(block);
        let error = Filter::parse(text).expect_err(text);
        assert_eq!(format!("{error:#}"), explained, "{text}");
        assert_eq!(explained.lines().next(), Some(error.to_string().as_str()));
    }
}
