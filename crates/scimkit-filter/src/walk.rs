//! Walks over the parts of a filter, from left to right.

use std::slice;

use crate::{
    attribute::AttributePath,
    tree::{Comparison, Filter},
};

/// One step of a [`Walk`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 7644, figure 1")]
pub enum Event<'t, 'a> {
    /// Between two members of an `and` or an `or`.
    Between(Group<'t, 'a>),
    /// An attribute compared with a value.
    Compare(&'t Comparison<'a>),
    /// A group starts.
    Enter(Group<'t, 'a>),
    /// A group ends.
    Leave(Group<'t, 'a>),
    /// An attribute that has a value: `pr`.
    Present(&'t AttributePath<'a>),
}

/// A filter that contains other filters.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "closed by RFC 7644, figure 1")]
pub enum Group<'t, 'a> {
    /// Members joined by `and`.
    And,
    /// The filter inside a `not`.
    Not,
    /// Members joined by `or`.
    Or,
    /// The filter inside the brackets of this attribute.
    ValuePath(&'t AttributePath<'a>),
}

/// The iterator of [`Filter::walk`].
#[derive(Clone, Debug)]
pub struct Walk<'t, 'a> {
    groups: Vec<Open<'t, 'a>>,
    root: Option<&'t Filter<'a>>,
}

#[derive(Clone, Debug)]
struct Open<'t, 'a> {
    group: Group<'t, 'a>,
    members: slice::Iter<'t, Filter<'a>>,
    /// Whether the next member is not the first one.
    started: bool,
}

/// An attribute in a filter: see [`Filter::attributes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair with names")]
pub struct FilterAttribute<'f, 'a> {
    /// The attribute whose brackets it is in, and whose sub-attribute it then is.
    pub enclosing: Option<&'f AttributePath<'a>>,
    /// The attribute.
    pub attribute: &'f AttributePath<'a>,
}

impl<'a> Filter<'a> {
    /// Returns an iterator over the parts of this filter, from left to right, which enters and leaves groups.
    ///
    /// The walk is not recursive, so a tree of any depth can be walked. It is meant for printing in another language
    /// and for searching; for evaluation, a recursive `match` is shorter and stops early.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_filter::{Event, Filter, Group};
    ///
    /// let filter = Filter::parse(r#"not (active eq false) and (title pr or id eq "7")"#)?;
    /// let (mut sql, mut parameters) = (String::new(), Vec::new());
    /// for event in filter.walk() {
    ///     match event {
    ///         Event::Enter(Group::Not) => sql += "NOT (",
    ///         Event::Enter(_) => sql += "(",
    ///         Event::Between(Group::Or) => sql += " OR ",
    ///         Event::Between(_) => sql += " AND ",
    ///         Event::Leave(_) => sql += ")",
    ///         Event::Present(attribute) => sql += &format!("{attribute} IS NOT NULL"),
    ///         Event::Compare(comparison) => {
    ///             parameters.push(&comparison.value);
    ///             sql += &format!("{} = ?", comparison.attribute);
    ///         }
    ///     }
    /// }
    /// assert_eq!(sql, "(NOT (active = ?) AND (title IS NOT NULL OR id = ?))");
    /// # Ok::<(), scimkit_filter::ParseError>(())
    /// ```
    #[must_use]
    pub fn walk(&self) -> Walk<'_, 'a> {
        Walk {
            groups: Vec::new(),
            root: Some(self),
        }
    }

    /// Returns the attributes in this filter, from left to right.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_filter::Filter;
    ///
    /// let filter = Filter::parse("title pr and emails[type pr]")?;
    /// let names: Vec<String> = filter.attributes().map(|one| match one.enclosing {
    ///     Some(enclosing) => format!("{enclosing}.{}", one.attribute),
    ///     None => one.attribute.to_string(),
    /// }).collect();
    /// assert_eq!(names, ["title", "emails", "emails.type"]);
    /// # Ok::<(), scimkit_filter::ParseError>(())
    /// ```
    pub fn attributes(&self) -> impl Iterator<Item = FilterAttribute<'_, 'a>> {
        let mut walk = self.walk();
        std::iter::from_fn(move || {
            loop {
                let enclosing = walk.enclosing_attribute();
                let attribute = match walk.next()? {
                    Event::Compare(comparison) => &comparison.attribute,
                    Event::Enter(Group::ValuePath(attribute)) | Event::Present(attribute) => {
                        attribute
                    }
                    Event::Between(_) | Event::Enter(_) | Event::Leave(_) => continue,
                };
                return Some(FilterAttribute {
                    enclosing,
                    attribute,
                });
            }
        })
    }

    /// Calls `rename` for every attribute, to change it in place; its other argument is the attribute whose brackets
    /// this one is in, by its former name.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_filter::Filter;
    ///
    /// let mut filter = Filter::parse(r#"mail[kind eq "work"] and kind pr"#)?;
    /// filter.rename(|around, attribute| match (around, &*attribute.name) {
    ///     (None, "mail") => attribute.name = "emails".into(),
    ///     (Some(mail), "kind") if mail.name == "mail" => attribute.name = "type".into(),
    ///     _ => {}
    /// });
    /// assert_eq!(filter.to_string(), r#"emails[type eq "work"] and kind pr"#);
    /// # Ok::<(), scimkit_filter::ParseError>(())
    /// ```
    pub fn rename(
        &mut self,
        mut rename: impl FnMut(Option<&AttributePath<'a>>, &mut AttributePath<'a>),
    ) {
        renamed(self, None, &mut rename);
    }
}

/// Recursive, like printing.
fn renamed<'a>(
    filter: &mut Filter<'a>,
    around: Option<&AttributePath<'a>>,
    rename: &mut dyn FnMut(Option<&AttributePath<'a>>, &mut AttributePath<'a>),
) {
    match filter {
        Filter::And(members) | Filter::Or(members) => {
            for member in members {
                renamed(member, around, rename);
            }
        }
        Filter::Compare(comparison) => rename(around, &mut comparison.attribute),
        Filter::Not(inner) => renamed(inner, around, rename),
        Filter::Present(attribute) => rename(around, attribute),
        Filter::ValuePath(path) => {
            renamed(&mut path.filter, Some(&path.attribute), rename);
            rename(around, &mut path.attribute);
        }
    }
}

impl<'t, 'a> Walk<'t, 'a> {
    /// Returns the attribute whose brackets the walk is in.
    #[must_use]
    pub fn enclosing_attribute(&self) -> Option<&'t AttributePath<'a>> {
        self.groups.iter().rev().find_map(|open| match open.group {
            Group::ValuePath(attribute) => Some(attribute),
            _ => None,
        })
    }

    fn start(&mut self, filter: &'t Filter<'a>) -> Event<'t, 'a> {
        let (group, members) = match filter {
            Filter::And(members) => (Group::And, members.as_slice()),
            Filter::Compare(comparison) => return Event::Compare(comparison),
            Filter::Not(inner) => (Group::Not, slice::from_ref(&**inner)),
            Filter::Or(members) => (Group::Or, members.as_slice()),
            Filter::Present(attribute) => return Event::Present(attribute),
            Filter::ValuePath(path) => (
                Group::ValuePath(&path.attribute),
                slice::from_ref(&*path.filter),
            ),
        };
        self.groups.push(Open {
            group,
            members: members.iter(),
            started: false,
        });
        Event::Enter(group)
    }
}

impl<'t, 'a> Iterator for Walk<'t, 'a> {
    type Item = Event<'t, 'a>;

    fn next(&mut self) -> Option<Event<'t, 'a>> {
        if let Some(root) = self.root.take() {
            return Some(self.start(root));
        }
        let open = self.groups.last_mut()?;
        if open.members.len() == 0 {
            let group = open.group;
            self.groups.pop();
            return Some(Event::Leave(group));
        }
        if open.started {
            open.started = false;
            return Some(Event::Between(open.group));
        }
        open.started = true;
        let member = open.members.next()?;
        Some(self.start(member))
    }
}
