//! The JSON words for the values of connection settings.

use std::{fmt, marker::PhantomData};

use scimkit_core::excerpt;
use serde::{Deserializer, Serializer, de, de::Visitor, ser};

use crate::{
    AliasPolicy, CreatePolicy, CyclePolicy, DeletePolicy, Delivery, JournalLevel, OnDelete,
    PatchResponse, TenantSource, UnknownMemberPolicy,
};

/// A value of a connection setting, written as one word.
pub(crate) trait Word: Copy + PartialEq + 'static {
    /// Former words, which are still read.
    const ALIASES: &'static [(&'static str, Self)] = &[];
    /// All values, each with its word.
    const WORDS: &'static [(&'static str, Self)];
}

impl Word for AliasPolicy {
    const WORDS: &'static [(&'static str, Self)] =
        &[("drop", AliasPolicy::Drop), ("keep", AliasPolicy::Keep)];
}

impl Word for CreatePolicy {
    const ALIASES: &'static [(&'static str, Self)] = &[
        ("adopt_or_relink", CreatePolicy::AdoptOrRestore),
        ("relink", CreatePolicy::Restore),
    ];
    const WORDS: &'static [(&'static str, Self)] = &[
        ("adopt", CreatePolicy::Adopt),
        ("adopt_or_restore", CreatePolicy::AdoptOrRestore),
        ("conflict", CreatePolicy::Conflict),
        ("restore", CreatePolicy::Restore),
    ];
}

impl Word for CyclePolicy {
    const ALIASES: &'static [(&'static str, Self)] = &[("refuse", CyclePolicy::Reject)];
    const WORDS: &'static [(&'static str, Self)] = &[
        ("accept", CyclePolicy::Accept),
        ("reject", CyclePolicy::Reject),
    ];
}

impl Word for DeletePolicy {
    const ALIASES: &'static [(&'static str, Self)] = &[
        ("erase", DeletePolicy::Permanent),
        ("retire", DeletePolicy::Soft),
    ];
    const WORDS: &'static [(&'static str, Self)] = &[
        ("permanent", DeletePolicy::Permanent),
        ("soft", DeletePolicy::Soft),
    ];
}

impl Word for Delivery {
    const WORDS: &'static [(&'static str, Self)] =
        &[("direct", Delivery::Direct), ("staged", Delivery::Staged)];
}

impl Word for OnDelete {
    const WORDS: &'static [(&'static str, Self)] =
        &[("archive", OnDelete::Archive), ("remove", OnDelete::Remove)];
}

impl Word for JournalLevel {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("full", JournalLevel::Full),
        ("notice", JournalLevel::Notice),
        ("off", JournalLevel::Off),
    ];
}

impl Word for PatchResponse {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("always", PatchResponse::Always),
        ("auto", PatchResponse::Auto),
        ("never", PatchResponse::Never),
    ];
}

impl Word for TenantSource {
    const WORDS: &'static [(&'static str, Self)] = &TenantSource::WORDS;
}

impl Word for UnknownMemberPolicy {
    const ALIASES: &'static [(&'static str, Self)] = &[("refuse", UnknownMemberPolicy::Reject)];
    const WORDS: &'static [(&'static str, Self)] = &[
        ("accept", UnknownMemberPolicy::Accept),
        ("reject", UnknownMemberPolicy::Reject),
    ];
}

pub(crate) fn deserialize<'de, D, T>(input: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Word,
{
    input.deserialize_str(Reader(PhantomData)).map(Some)
}

/// Reads a word inside the deserializer, so that an error has its position.
struct Reader<T>(PhantomData<T>);

impl<T: Word> Visitor<'_> for Reader<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {}", known::<T>())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        let mut words = T::WORDS.iter().chain(T::ALIASES);
        let found = words.find(|(word, _)| *word == text);
        let unknown = || {
            E::custom(format!(
                "invalid value `{}`, expected one of {}",
                excerpt(text),
                known::<T>()
            ))
        };
        found.map(|(_, choice)| *choice).ok_or_else(unknown)
    }
}

fn known<T: Word>() -> String {
    let words: Vec<_> = T::WORDS.iter().map(|(word, _)| *word).collect();
    words.join(", ")
}

pub(crate) fn serialize<S, T>(choice: &Option<T>, out: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    T: Word,
{
    let Some(choice) = choice else {
        return out.serialize_none();
    };
    let found = T::WORDS.iter().find(|(_, known)| known == choice);
    let unknown = || ser::Error::custom("the value of a setting has no word");
    let (word, _) = found.ok_or_else(unknown)?;
    out.serialize_str(word)
}
