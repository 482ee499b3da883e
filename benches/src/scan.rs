//! The minimum work of any parser: look at each byte once.

use crate::bytes::CLASSES;

/// Returns the sum of the classes of all bytes.
#[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
#[must_use]
pub fn classes(text: &str) -> u32 {
    text.bytes()
        .map(|byte| u32::from(CLASSES[usize::from(byte)]))
        .sum()
}
