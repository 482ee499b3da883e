//! Links between chapters.

use crate::{page::Page, root};

/// Each link of a chapter that leads nowhere. In a built book only chapters can be reached, so a link leads to another
/// chapter or to the web.
pub(crate) fn broken(pages: &[Page]) -> Vec<String> {
    let mut problems = Vec::new();
    for page in pages {
        for link in page.links.iter().filter(|link| !link.to.contains("://")) {
            let (name, anchor) = link.to.split_once('#').unwrap_or((&link.to, ""));
            let name = if name.is_empty() { page.name() } else { name };
            let target = pages.iter().find(|page| page.name() == name);
            let problem = match target {
                None if root().join("docs").join(name).exists() => continue,
                None => "does not exist",
                Some(page) if !anchor.is_empty() && !page.headings.iter().any(|h| h == anchor) => {
                    "has no such heading"
                }
                Some(_) => continue,
            };
            problems.push(format!(
                "docs/{}:{}: {} {problem}",
                page.name(),
                link.line,
                link.to
            ));
        }
    }
    problems
}
