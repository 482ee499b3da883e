//! The values that are anonymous and are preserved.

use super::{
    placeholders::{Piece, Placeholders},
    retained_names::is_language,
    syntax,
};

/// Anonymises the value of an attribute, unless it is a common value.
///
/// The attribute is a path in lower case, of which the last name decides.
pub(super) fn text(placeholders: &mut Placeholders, attribute: &str, text: &str) -> Vec<Piece> {
    if stays(placeholders, attribute, text) {
        return vec![Piece::Keep(0..text.len())];
    }
    if last(attribute) == "schemas" {
        return syntax::path(placeholders, text);
    }
    if last(attribute) == "password" {
        return placeholders.whole(text);
    }
    if attribute.contains("x509certificates") && is_base64(text) {
        return vec![Piece::Put(placeholders.certificate(text))];
    }
    let reference = "bulkid:";
    if text
        .get(..reference.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(reference))
    {
        let named = text.get(reference.len()..).unwrap_or_default();
        let mut pieces = vec![Piece::Keep(0..reference.len())];
        for piece in placeholders.text(named) {
            pieces.push(match piece {
                Piece::Keep(range) => {
                    Piece::Keep(range.start + reference.len()..range.end + reference.len())
                }
                put => put,
            });
        }
        return pieces;
    }
    placeholders.text(text)
}

/// Returns whether a value is a word of the protocol or a common word.
pub(super) fn stays(placeholders: &Placeholders, attribute: &str, text: &str) -> bool {
    let boolean = ["false", "true"]
        .iter()
        .any(|known| text.eq_ignore_ascii_case(known));
    if text.is_empty() || boolean || placeholders.known().has_urn(text) {
        return true;
    }
    match last(attribute) {
        "type" => TYPES.contains(&text.to_ascii_lowercase().as_str()),
        "resourcetype" => is_resource_type(text),
        "locale" | "preferredlanguage" => is_language(text),
        _ => false,
    }
}

/// Returns the last name of an attribute path.
pub(super) fn last(attribute: &str) -> &str {
    attribute.rsplit(['.', ':']).next().unwrap_or_default()
}

/// Returns whether the text is a known URN or the name of a resource type in the RFC.
pub(super) fn is_word_of_the_rfc(placeholders: &Placeholders, text: &str) -> bool {
    placeholders.known().has_urn(text) || is_resource_type(text)
}

pub(super) fn is_resource_type(text: &str) -> bool {
    [
        "Group",
        "ResourceType",
        "Schema",
        "ServiceProviderConfig",
        "User",
    ]
    .contains(&text)
}

pub(super) fn is_sort_order(text: &str) -> bool {
    ["ascending", "descending"]
        .iter()
        .any(|known| text.eq_ignore_ascii_case(known))
}

fn is_base64(text: &str) -> bool {
    let bare = text.trim_end_matches('=');
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"+/".contains(&b);
    text.len().is_multiple_of(4) && text.len() - bare.len() < 3 && bare.bytes().all(plain)
}

/// The common types of elements in multi-valued attributes.
const TYPES: [&str; 22] = [
    "aim",
    "direct",
    "fax",
    "group",
    "gtalk",
    "home",
    "icq",
    "indirect",
    "mobile",
    "msn",
    "oauth",
    "oauth2",
    "oauthbearertoken",
    "other",
    "pager",
    "photo",
    "qq",
    "skype",
    "thumbnail",
    "user",
    "work",
    "xmpp",
];
