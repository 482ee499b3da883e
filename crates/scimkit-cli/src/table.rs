//! Tables of text.

use crate::output;

/// A line of headings and a line per row; each column is as wide as its widest cell.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>) -> Vec<String> {
    let mut lines = vec![headings.map(|heading| heading.to_ascii_uppercase())];
    lines.extend(rows.into_iter().map(|row| row.map(output::visible)));
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let row = |line: [String; N]| {
        let cells = line.into_iter().zip(widths);
        let cells = cells.map(|(cell, width)| format!("{cell:width$}  "));
        cells.collect::<String>().trim_end().to_owned()
    };
    lines.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn cells_are_aligned_in_columns() {
        let rows = [["acme", "Äcme\u{1b}[2J"], ["a", ""]];
        let rows = rows.map(|row| row.map(str::to_owned)).to_vec();
        assert_eq!(
            table(["id", "name"], rows),
            ["ID    NAME", "acme  Äcme\\u{1b}[2J", "a"]
        );
    }
}
