//! Columns of text for people.

/// Lines below a line of headings, each column as wide as its widest cell.
pub(crate) fn table<const N: usize>(headings: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut lines = vec![headings.map(|heading| heading.to_ascii_uppercase())];
    lines.extend(rows.into_iter().map(|row| row.map(|cell| printable(&cell))));
    let mut widths = [0; N];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (cell, width) in line.into_iter().zip(widths) {
            row.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}

/// What a terminal shows and does not carry out.
fn printable(cell: &str) -> String {
    cell.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [["acme", "Äcme\u{1b}[2J"], ["a", ""]];
        let rows = rows.map(|row| row.map(str::to_owned)).to_vec();
        assert_eq!(
            table(["id", "name"], rows),
            "ID    NAME\nacme  Äcme\u{fffd}[2J\na\n"
        );
    }
}
