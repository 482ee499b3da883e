//! Copies of trees, made with an explicit stack.
//!
//! A derived `Clone` would be recursive, through several functions of `Vec` per level: in a debug build the deepest
//! tree would take about 250 KiB of the thread's stack.

use crate::{
    attribute::AttributePath,
    tree::{Filter, ValuePath},
};

impl Clone for Filter<'_> {
    fn clone(&self) -> Self {
        rebuild(self, |filter| match filter {
            Filter::And(members) => Node::Many(Filter::And, members.iter()),
            Filter::Compare(comparison) => Node::Leaf(Filter::Compare(comparison.clone())),
            Filter::Not(inner) => Node::Not(inner),
            Filter::Or(members) => Node::Many(Filter::Or, members.iter()),
            Filter::Present(attribute) => Node::Leaf(Filter::Present(attribute.clone())),
            Filter::ValuePath(path) => Node::ValuePath(path.attribute.clone(), &path.filter),
        })
    }
}

impl Filter<'_> {
    /// Returns the same filter without borrowed text.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_filter::Filter;
    ///
    /// let filter: Filter<'static> = Filter::parse(&String::from("title pr")).unwrap().into_owned();
    /// assert_eq!(filter.to_string(), "title pr");
    /// ```
    #[must_use]
    pub fn into_owned(self) -> Filter<'static> {
        rebuild(self, |filter| match filter {
            Filter::And(members) => Node::Many(Filter::And, members.into_iter()),
            Filter::Compare(comparison) => Node::Leaf(Filter::Compare(comparison.into_owned())),
            Filter::Not(inner) => Node::Not(*inner),
            Filter::Or(members) => Node::Many(Filter::Or, members.into_iter()),
            Filter::Present(attribute) => Node::Leaf(Filter::Present(attribute.into_owned())),
            Filter::ValuePath(path) => Node::ValuePath(path.attribute.into_owned(), *path.filter),
        })
    }
}

type Join<'n> = fn(Vec<Filter<'n>>) -> Filter<'n>;

/// One level of a tree: its new part, and the sources of the levels below it.
enum Node<'n, S, I> {
    Leaf(Filter<'n>),
    Many(Join<'n>, I),
    Not(S),
    ValuePath(AttributePath<'n>, S),
}

/// A level that waits for the levels below it.
enum Step<'n, I> {
    Many(Join<'n>, Vec<Filter<'n>>, I),
    Not,
    ValuePath(AttributePath<'n>),
}

fn rebuild<'n, S, I>(mut source: S, node: impl Fn(S) -> Node<'n, S, I>) -> Filter<'n>
where
    I: ExactSizeIterator<Item = S>,
{
    let mut steps = Vec::new();
    loop {
        let filter = match node(source) {
            Node::Leaf(filter) => filter,
            Node::Many(join, mut members) => {
                let done = Vec::with_capacity(members.len());
                match members.next() {
                    Some(first) => {
                        steps.push(Step::Many(join, done, members));
                        source = first;
                        continue;
                    }
                    None => join(done),
                }
            }
            Node::Not(inner) => {
                steps.push(Step::Not);
                source = inner;
                continue;
            }
            Node::ValuePath(attribute, inner) => {
                steps.push(Step::ValuePath(attribute));
                source = inner;
                continue;
            }
        };
        source = match ascend(&mut steps, filter) {
            Up::Next(next) => next,
            Up::Root(root) => return root,
        };
    }
}

/// The next step after a complete filter.
enum Up<'n, S> {
    Next(S),
    Root(Filter<'n>),
}

/// Completes the levels that were waiting only for `filter`, up to one that has another member.
fn ascend<'n, S, I>(steps: &mut Vec<Step<'n, I>>, mut filter: Filter<'n>) -> Up<'n, S>
where
    I: Iterator<Item = S>,
{
    loop {
        filter = match steps.pop() {
            None => return Up::Root(filter),
            Some(Step::Many(join, mut done, mut members)) => {
                done.push(filter);
                match members.next() {
                    Some(next) => {
                        steps.push(Step::Many(join, done, members));
                        return Up::Next(next);
                    }
                    None => join(done),
                }
            }
            Some(Step::Not) => Filter::Not(Box::new(filter)),
            Some(Step::ValuePath(attribute)) => Filter::ValuePath(ValuePath {
                attribute,
                filter: Box::new(filter),
            }),
        };
    }
}
