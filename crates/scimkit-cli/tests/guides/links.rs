//! Links between chapters.

use std::fs;

use crate::{
    page::{Link, Page},
    root,
};

/// Each link of a chapter that leads nowhere.
///
/// - In a built book only chapters can be reached, so a link leads to a heading of a chapter, or to the web.
/// - In rustdoc a chapter is a module. There, `crates/scimkit/src/guide/links.md` defines the links anew, so a chapter
///   has them by reference.
pub(crate) fn broken(pages: &[Page]) -> Vec<String> {
    let modules = fs::read_to_string(root().join("crates/scimkit/src/guide/links.md")).unwrap();
    let mut problems = Vec::new();
    for page in pages {
        let inner = page.links.iter().filter(|link| !link.to.contains("://"));
        for link in inner {
            let problem = problem(pages, page, link, &modules);
            let at = format!("docs/{}:{}", page.name(), link.line);
            problems.extend(problem.map(|problem| format!("{at}: `{}` {problem}", link.to)));
        }
    }
    problems
}

fn problem(pages: &[Page], page: &Page, link: &Link, modules: &str) -> Option<String> {
    let (name, anchor) = link.to.split_once('#').unwrap_or((&link.to, ""));
    let Some(target) = pages.iter().find(|target| target.name() == name) else {
        return Some("is not a chapter".to_owned());
    };
    if !anchor.is_empty() && !target.headings.iter().any(|heading| heading == anchor) {
        return Some("has no such heading".to_owned());
    }
    if page.name() == "SUMMARY.md" {
        return None;
    }
    if link.is_inline {
        let label = &link.to;
        return Some(format!(
            "is to be written `[text][{label}]`, with `[{label}]: {label}` at the end"
        ));
    }
    let module = name.trim_end_matches(".md").replace('-', "_");
    let anchor = link.to.strip_prefix(name).unwrap_or_default();
    let line = format!("[{}]: crate::guide::{module}{anchor}", link.to);
    let is_defined = modules.lines().any(|defined| defined == line);
    (!is_defined).then(|| format!("needs this line in crates/scimkit/src/guide/links.md:\n{line}"))
}
