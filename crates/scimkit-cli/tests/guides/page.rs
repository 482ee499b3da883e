//! A chapter: its blocks of code, headings and links.

use std::{fs, ops::Range, path::PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

pub(crate) struct Page {
    pub(crate) path: PathBuf,
    pub(crate) blocks: Vec<Block>,
    pub(crate) headings: Vec<String>,
    pub(crate) links: Vec<Link>,
}

#[derive(Default)]
pub(crate) struct Block {
    pub(crate) line: usize,
    pub(crate) language: String,
    pub(crate) text: String,
}

pub(crate) struct Link {
    pub(crate) line: usize,
    pub(crate) to: String,
    /// Whether it has its target beside it, and not in a definition.
    pub(crate) is_inline: bool,
}

/// Where the text of an event goes.
enum Open {
    Block(Block),
    Heading(String),
    Nothing,
}

impl Page {
    pub(crate) fn read(path: PathBuf) -> Page {
        let text = fs::read_to_string(&path).unwrap();
        let mut page = Page {
            path,
            blocks: Vec::new(),
            headings: Vec::new(),
            links: Vec::new(),
        };
        let line = |range: &Range<usize>| text[..range.start].matches('\n').count() + 1;
        let mut open = Open::Nothing;
        for (event, range) in Parser::new_ext(&text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::CodeBlock(kind)) => {
                    let language = language(&kind);
                    let line = line(&range);
                    open = Open::Block(Block {
                        line,
                        language,
                        text: String::new(),
                    });
                }
                Event::Start(Tag::Heading { .. }) => open = Open::Heading(String::new()),
                Event::Start(Tag::Link {
                    dest_url,
                    link_type,
                    ..
                }) => page.links.push(Link {
                    line: line(&range),
                    to: dest_url.to_string(),
                    is_inline: link_type == LinkType::Inline,
                }),
                Event::End(TagEnd::CodeBlock | TagEnd::Heading(_)) => {
                    match std::mem::replace(&mut open, Open::Nothing) {
                        Open::Block(block) => page.blocks.push(block),
                        Open::Heading(text) => page.headings.push(anchor(&text)),
                        Open::Nothing => {}
                    }
                }
                Event::Text(more) | Event::Code(more) => match &mut open {
                    Open::Block(block) => block.text.push_str(&more),
                    Open::Heading(text) => text.push_str(&more),
                    Open::Nothing => {}
                },
                _ => {}
            }
        }
        page
    }

    pub(crate) fn name(&self) -> &str {
        self.path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap()
    }
}

fn language(kind: &CodeBlockKind<'_>) -> String {
    let info = match kind {
        CodeBlockKind::Fenced(info) => info.as_ref(),
        CodeBlockKind::Indented => "",
    };
    info.split(',').next().unwrap_or_default().to_owned()
}

/// The id that mdbook and rustdoc give to a heading.
fn anchor(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    let kept = lower.chars().filter_map(|c| match c {
        ' ' => Some('-'),
        c if c.is_alphanumeric() || "-_".contains(c) => Some(c),
        _ => None,
    });
    kept.collect()
}
