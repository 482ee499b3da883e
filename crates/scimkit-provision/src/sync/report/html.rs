//! Reports as a page.

use std::{fmt, io};

use super::{
    cells::{lines, source, subject, visible},
    summary::ReportSummary,
};
use crate::sync::step::{Category, Step};

const HEAD: &str = r#"<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 2em; color: #222; background: #fff; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { border-bottom: 1px solid #ccc; padding: .25em .75em; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
th { background: #f2f2f2; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.blocked { font-weight: bold; }
.archived td:first-child, .rejected td:first-child { font-weight: bold; }
@media print {
  body { margin: 0; font-size: 10px; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
  th { background: none; }
}
</style>
"#;

pub(super) struct HtmlReport<W: io::Write> {
    output: W,
}

impl<W: io::Write> HtmlReport<W> {
    pub(super) fn new(mut output: W, summary: &ReportSummary) -> io::Result<Self> {
        let title = Escaped(&summary.title);
        write!(
            output,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n{HEAD}<title>{title}</title>\n</head>\n<body>\n"
        )?;
        writeln!(output, "<h1>{title}</h1>")?;
        let planned = summary.planned.format("%Y-%m-%d %H:%M:%S UTC");
        writeln!(
            output,
            "<p>Planned {planned}, plan <code>{}</code>.</p>",
            Escaped(&summary.hash)
        )?;
        for sentence in summary.sentences() {
            let class = if sentence.starts_with("Blocked") {
                " class=\"blocked\""
            } else {
                ""
            };
            writeln!(output, "<p{class}>{}</p>", Escaped(&sentence))?;
        }
        for (connection, counts) in &summary.connections {
            writeln!(output, "<h2>{}</h2>", Escaped(connection))?;
            writeln!(
                output,
                "<table>\n<thead><tr><th></th><th>Users</th><th>Groups</th></tr></thead>\n<tbody>"
            )?;
            for category in Category::ALL {
                let (users, groups) = (counts.users.of(category), counts.groups.of(category));
                writeln!(
                    output,
                    "<tr><td>{category}</td><td class=\"number\">{users}</td><td class=\"number\">{groups}</td></tr>"
                )?;
            }
            let members = counts.memberships;
            writeln!(
                output,
                "</tbody>\n</table>\n<p>Memberships: {} added, {} removed, {} unchanged.</p>",
                members.added, members.removed, members.unchanged
            )?;
        }
        writeln!(
            output,
            "<h2>Steps</h2>\n<table>\n<thead><tr><th>Category</th><th>Subject</th><th>Name</th><th>Id</th>\
             <th>Changes</th></tr></thead>\n<tbody>"
        )?;
        Ok(HtmlReport { output })
    }

    pub(super) fn add(&mut self, step: &Step) -> io::Result<()> {
        let category = step.category;
        let id = step.target.as_ref().map_or(source(step), |id| id.as_str());
        write!(
            self.output,
            "<tr class=\"{category}\"><td>{category}</td><td>{}</td><td>{}</td><td>{}</td><td>",
            subject(step),
            Escaped(&step.name),
            Escaped(id)
        )?;
        if let Some(reason) = &step.reason {
            write!(self.output, "{}<br>", Escaped(&reason.to_string()))?;
        }
        for line in lines(step) {
            let (before, after) = (Escaped(&line.before), Escaped(&line.after));
            write!(
                self.output,
                "{}: {before} → {after}<br>",
                Escaped(&line.field)
            )?;
        }
        writeln!(self.output, "</td></tr>")
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.output
            .write_all(b"</tbody>\n</table>\n</body>\n</html>\n")?;
        self.output.flush()
    }
}

/// Text in which nothing is markup.
struct Escaped<'t>(&'t str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in visible(self.0).chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}
