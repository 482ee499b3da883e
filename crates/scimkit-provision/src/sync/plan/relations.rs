//! Which users and groups of the provisioned state belong to which ones of the directory.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
};

use scimkit_mapping::Record;
use scimkit_registry::ResourceId;

use crate::sync::{
    fields::MatchKey,
    link::{Link, LinkSource},
    step::{Named, Reason},
};

/// A user or group of the provisioned state.
pub(super) struct Source<'p> {
    pub(super) keys: Vec<MatchKey>,
    pub(super) name: &'p str,
    pub(super) source: LinkSource,
}

/// A user or group of the directory.
///
/// Its fields are those after the plan, as far as links tell: a linked user that is renamed no longer matches by its
/// former name.
pub(super) struct Target<'p> {
    pub(super) fields: Cow<'p, Record>,
    pub(super) id: &'p ResourceId,
    pub(super) name: &'p str,
}

/// What a source belongs to.
#[derive(Debug)]
pub(super) enum Resolution<'p> {
    /// The one of the directory with this id. Without a link, it matches.
    Existing {
        id: &'p ResourceId,
        link: Option<&'p Link>,
    },
    /// None: it is new.
    New,
    /// It can't be told.
    Rejected(Reason),
}

/// The relations of a piece.
pub(super) struct Relations<'p> {
    /// The links to each target whose source does not exist.
    dead: BTreeMap<&'p ResourceId, Vec<&'p Link>>,
    /// The links whose source and target don't exist.
    pub(super) gone: Vec<&'p Link>,
    links: BTreeMap<&'p LinkSource, &'p Link>,
    /// The targets that sources match, although they are linked to another one.
    matched: BTreeSet<&'p ResourceId>,
    /// The indexes of the sources that are linked to a target or match it.
    related: BTreeMap<&'p ResourceId, Vec<usize>>,
    resolutions: BTreeMap<LinkSource, Resolution<'p>>,
}

impl<'p> Relations<'p> {
    /// `links` are those whose sources or targets are of the kind of these.
    pub(super) fn new(
        sources: &[Source<'p>],
        targets: &[Target<'p>],
        links: impl Iterator<Item = &'p Link>,
    ) -> Self {
        let names: BTreeMap<_, _> = targets.iter().map(|target| (target.id, target)).collect();
        let known: BTreeSet<_> = sources.iter().map(|source| &source.source).collect();
        let mut relations = Relations {
            dead: BTreeMap::new(),
            gone: Vec::new(),
            links: BTreeMap::new(),
            matched: BTreeSet::new(),
            related: BTreeMap::new(),
            resolutions: BTreeMap::new(),
        };
        for link in links {
            let has_source = known.contains(&link.source);
            match names.get_key_value(&link.target) {
                Some(_) if has_source => {
                    relations.links.insert(&link.source, link);
                }
                Some((id, _)) => relations.dead.entry(*id).or_default().push(link),
                // A user that was removed from the directory by hand is matched or created again.
                None if has_source => {}
                None => relations.gone.push(link),
            }
        }
        for links in relations.dead.values_mut() {
            links.sort_by(|a, b| a.source.cmp(&b.source));
        }
        let mut candidates = candidates(sources, targets);
        for (index, source) in sources.iter().enumerate() {
            let matched = candidates.remove(&index).unwrap_or_default();
            let found = match relations.links.get(&source.source) {
                Some(link) => {
                    relations.matched.extend(matched);
                    let target = names.get(&link.target);
                    target.map(|target| target.id).into_iter().collect()
                }
                None => matched,
            };
            for id in &found {
                relations.related.entry(id).or_default().push(index);
            }
            candidates.insert(index, found);
        }
        let mut new: BTreeMap<&MatchKey, Vec<usize>> = BTreeMap::new();
        for (index, source) in sources.iter().enumerate() {
            let is_new = candidates.get(&index).is_none_or(BTreeSet::is_empty);
            for key in source.keys.iter().filter(|_| is_new) {
                new.entry(key).or_default().push(index);
            }
        }
        for (index, source) in sources.iter().enumerate() {
            let found = candidates.remove(&index).unwrap_or_default();
            let resolution = match duplicates(index, source, sources, &new) {
                others if others.is_empty() => relations.resolve(index, &found, sources, &names),
                others => Resolution::Rejected(Reason::Duplicate { others }),
            };
            relations
                .resolutions
                .insert(source.source.clone(), resolution);
        }
        relations
    }

    fn resolve(
        &self,
        index: usize,
        found: &BTreeSet<&'p ResourceId>,
        sources: &[Source<'p>],
        names: &BTreeMap<&'p ResourceId, &Target<'p>>,
    ) -> Resolution<'p> {
        let named = |id: &ResourceId| Named {
            id: id.clone(),
            name: names.get(id).map_or("", |target| target.name).to_owned(),
        };
        let mut ids = found.iter().copied();
        let id = match (ids.next(), ids.next()) {
            (None, _) => return Resolution::New,
            (Some(_), Some(_)) => {
                let candidates = found.iter().map(|id| named(id)).collect();
                return Resolution::Rejected(Reason::Ambiguous { candidates });
            }
            (Some(id), None) => id,
        };
        let is_linked = |index: usize| {
            let source = sources.get(index);
            source.is_some_and(|source| self.links.contains_key(&source.source))
        };
        let own_link = is_linked(index);
        let related = self.related.get(id).map_or(&[][..], Vec::as_slice);
        // A link is stronger than a match.
        let rivals = related
            .iter()
            .copied()
            .filter(|other| *other != index && (!own_link || is_linked(*other)))
            .filter_map(|other| sources.get(other));
        let mut others: Vec<_> = rivals.map(Source::named).collect();
        if others.is_empty() {
            let source = sources.get(index);
            let link = source.and_then(|source| self.links.get(&source.source).copied());
            return Resolution::Existing { id, link };
        }
        others.sort();
        Resolution::Rejected(Reason::Claimed {
            candidate: named(id),
            others,
        })
    }

    /// Returns what a source belongs to.
    pub(super) fn resolution(&self, source: &LinkSource) -> &Resolution<'p> {
        self.resolutions.get(source).unwrap_or(&Resolution::New)
    }

    /// Returns the links of sources that no longer exist.
    pub(super) fn dead_links(&self, target: &ResourceId) -> &[&'p Link] {
        self.dead.get(target).map_or(&[], Vec::as_slice)
    }

    /// Whether a source is linked to the target or matches it.
    pub(super) fn is_related(&self, target: &ResourceId) -> bool {
        self.related.contains_key(target) || self.matched.contains(target)
    }
}

impl Source<'_> {
    fn named(&self) -> Named {
        let id = match &self.source {
            LinkSource::User(id) | LinkSource::Group(id) => id.clone(),
            LinkSource::Value(value) => ResourceId::from(value.as_str()),
        };
        Named {
            id,
            name: self.name.to_owned(),
        }
    }
}

/// Returns the other new sources that would match the one which the plan creates for this one.
fn duplicates(
    index: usize,
    source: &Source<'_>,
    sources: &[Source<'_>],
    new: &BTreeMap<&MatchKey, Vec<usize>>,
) -> Vec<Named> {
    let same = source.keys.iter().filter_map(|key| new.get(key));
    let same: Vec<_> = same.filter(|same| same.contains(&index)).collect();
    let others: BTreeSet<_> = same.into_iter().flatten().copied().collect();
    let others = others.into_iter().filter(|other| *other != index);
    let mut others: Vec<_> = others
        .filter_map(|other| sources.get(other))
        .map(Source::named)
        .collect();
    others.sort();
    others
}

/// Returns the targets that each source matches, by the index of the source.
fn candidates<'p>(
    sources: &[Source<'p>],
    targets: &[Target<'p>],
) -> BTreeMap<usize, BTreeSet<&'p ResourceId>> {
    let fields = MatchKey::fields(sources.iter().flat_map(|source| &source.keys));
    let mut index: BTreeMap<MatchKey, Vec<&'p ResourceId>> = BTreeMap::new();
    for target in targets {
        for key in fields.iter().filter_map(|field| field.key(&target.fields)) {
            index.entry(key).or_default().push(target.id);
        }
    }
    let mut candidates: BTreeMap<usize, BTreeSet<_>> = BTreeMap::new();
    for (number, source) in sources.iter().enumerate() {
        let found = source.keys.iter().filter_map(|key| index.get(key));
        let found: BTreeSet<_> = found.flatten().copied().collect();
        if !found.is_empty() {
            candidates.insert(number, found);
        }
    }
    candidates
}
