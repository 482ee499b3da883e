//! References to resources: from a `$ref` to the type and id that it names.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;
use scimkit_core::excerpt;

use crate::{Attr, AttrId, QuirkPolicy, RequestError, ResourceId, ResourceType};

/// A resource, named by its type and id.
///
/// # Example
/// See [`ResourceType::resolve_reference`], which returns the resource that a `$ref` names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a pair with names")]
pub struct ResourceRef {
    /// The name of the resource type.
    pub kind: String,
    /// The id.
    pub id: ResourceId,
}

/// The location of the resources of a type, below the base URL.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// The name of the resource type.
    pub(crate) kind: String,
    /// The path with its leading slash.
    pub(crate) path: String,
}

impl ResourceType {
    /// Resolves the `$ref` of a referencing attribute to the resource that it names.
    ///
    /// - A reference is the absolute URL of a resource below [`QuirkPolicy::base_url`], or relative:
    ///   `Users/{id}`, `../Users/{id}`, `/Users/{id}`, or the path of such an absolute URL.
    /// - Scheme and host ignore case, and the default port can be omitted. The id is percent-decoded; a final slash,
    ///   a query and a fragment are ignored.
    /// - It does not check whether the resource exists.
    ///
    /// # Errors
    /// All are `invalidValue`:
    /// - a reference of another form, such as a URL of another server or tenant
    /// - a resource type that is not in the `referenceTypes` of the attribute
    /// - `bulkId:` in place of an id: it is valid only in bulk requests
    ///
    /// # Example
    /// ```
    /// use scimkit_registry::{Registry, Tolerance, QuirkRecorder};
    ///
    /// let registry = Registry::standard();
    /// let group = registry.resource_type("Group").unwrap();
    /// let members = group.attribute_id("members").unwrap();
    /// let own = QuirkRecorder::new(Tolerance::DEFAULT).with_base_url("https://example.com/v2");
    /// let resolve = |reference| group.resolve_reference(members, reference, &own);
    ///
    /// let user = resolve("https://EXAMPLE.com/v2/Users/2819%20c?x=y")?;
    /// assert_eq!((user.kind.as_str(), user.id.as_str()), ("User", "2819 c"));
    /// assert_eq!(resolve("../Groups/7")?.kind, "Group");
    /// assert!(resolve("https://elsewhere.example/v2/Users/2819").is_err());
    /// # Ok::<(), scimkit_registry::RequestError>(())
    /// ```
    ///
    /// [RFC 7643 section 2.4](https://www.rfc-editor.org/rfc/rfc7643#section-2.4)
    pub fn resolve_reference(
        &self,
        id: AttrId,
        reference: &str,
        t: &dyn QuirkPolicy,
    ) -> Result<ResourceRef, RequestError> {
        let path = self.attr(id).path();
        let shown = excerpt(reference);
        let Some([endpoint, target]) = parts(reference, t.base_url()) else {
            return Err(RequestError::value(format!(
                "`{path}`: `{shown}` is not the URL of a resource here"
            )));
        };
        if target.starts_with("bulkId:") {
            return Err(RequestError::value(format!(
                "`{path}`: `{shown}` names a resource only in a bulk request"
            )));
        }
        let kind = self.endpoints.iter().find(|known| {
            known.path.strip_prefix('/') == Some(&*endpoint) && self.refers_to(id, &known.kind)
        });
        let Some(kind) = kind else {
            return Err(RequestError::value(format!(
                "`{path}`: `{shown}` is of `{}`, which it can't refer to",
                excerpt(&endpoint)
            )));
        };
        Ok(ResourceRef {
            id: target.into_owned().into(),
            kind: kind.kind.clone(),
        })
    }

    /// Returns whether an attribute may refer to resources of that type.
    fn refers_to(&self, id: AttrId, kind: &str) -> bool {
        let reference = self.children(id).find(|sub| sub.name() == "$ref");
        let types = reference.map_or(&[][..], |sub| &sub.definition().reference_types);
        types.iter().any(|name| name.eq_ignore_ascii_case(kind))
    }
}

/// Returns whether a `$ref` can replace this sub-attribute.
pub(crate) fn is_reference_part(attr: &Attr, sub: &Attr) -> bool {
    attr.is_reference() && sub.name() == "$ref"
}

/// Returns the endpoint, without its slash, and the id of a reference to a resource.
fn parts<'r>(reference: &'r str, base: Option<&str>) -> Option<[Cow<'r, str>; 2]> {
    let end = reference.find(['?', '#']).unwrap_or(reference.len());
    let reference = reference.get(..end)?;
    let base = base.and_then(Location::parse);
    let base_path = base.as_ref().map_or("", |base| base.path);
    if let Some(location) = Location::parse(reference) {
        let same = base.is_some_and(|base| base.is_same_server(&location));
        return below(location.path, base_path).filter(|_| same);
    }
    let Some(path) = reference.strip_prefix('/') else {
        return below(reference.strip_prefix("../").unwrap_or(reference), "");
    };
    if path.starts_with('/') {
        return None;
    }
    below(path, base_path).or_else(|| below(path, ""))
}

/// Returns the two segments of a path below another path.
fn below<'p>(path: &'p str, base: &str) -> Option<[Cow<'p, str>; 2]> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    for known in base.split('/').filter(|segment| !segment.is_empty()) {
        if decoded(segments.next()?)? != decoded(known)? {
            return None;
        }
    }
    let found = [decoded(segments.next()?)?, decoded(segments.next()?)?];
    segments.next().is_none().then_some(found)
}

/// Returns the text of a segment, unless it is a dot segment, not UTF-8, or has an invalid `%`.
fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    let encodes = |rest: &str| {
        rest.get(..2)
            .is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    if !segment.split('%').skip(1).all(encodes) {
        return None;
    }
    let text = percent_decode_str(segment).decode_utf8().ok()?;
    let is_text = !text.chars().any(char::is_control) && !matches!(&*text, "." | "..");
    is_text.then_some(text)
}

/// The parts of an absolute URL.
struct Location<'u> {
    authority: &'u str,
    path: &'u str,
    scheme: &'u str,
}

impl<'u> Location<'u> {
    fn parse(url: &'u str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        if scheme.is_empty() || scheme.contains('/') {
            return None;
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Location {
            authority,
            path,
            scheme,
        })
    }

    fn is_same_server(&self, other: &Location<'_>) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.host().eq_ignore_ascii_case(other.host())
    }

    /// Returns host and port, without the default port of the scheme.
    fn host(&self) -> &'u str {
        let implied = match self.scheme.to_ascii_lowercase().as_str() {
            "https" => ":443",
            "http" => ":80",
            _ => ":",
        };
        let authority = self.authority;
        let without = authority.strip_suffix(implied);
        without
            .or_else(|| authority.strip_suffix(':'))
            .unwrap_or(authority)
    }
}

#[cfg(test)]
mod tests {
    use super::parts;

    const BASE: Option<&str> = Some("https://App.example:443/scim/acme%2Fx/v2/");

    fn named(reference: &str) -> Option<(String, String)> {
        let [endpoint, id] = parts(reference, BASE)?;
        Some((endpoint.into_owned(), id.into_owned()))
    }

    #[test]
    fn references_to_own_resources_are_resolved() {
        for reference in [
            "https://app.example/scim/acme%2Fx/v2/Users/42",
            "HTTPS://APP.EXAMPLE:443/scim/acme%2fx/v2/Users/42",
            "https://app.example:/scim/acme%2Fx/v2//Users/42/",
            "https://app.example/scim/acme%2Fx/v2/Users/%34%32?attributes=id#top",
            "/scim/acme%2Fx/v2/Users/42",
            "/Users/42",
            "Users/42",
            "../Users/42/",
            "Users/42?x=https://elsewhere.example/",
        ] {
            let expected = ("Users".to_owned(), "42".to_owned());
            assert_eq!(named(reference), Some(expected), "{reference}");
        }
        let expected = ("Users".to_owned(), "a/b ü%".to_owned());
        assert_eq!(named("Users/a%2Fb%20%C3%BC%25"), Some(expected));
    }

    #[test]
    fn other_references_are_rejected() {
        for reference in [
            "",
            "42",
            "/",
            "/42",
            "Users/",
            "../../Users/42",
            "Users/42/photos",
            "Users/..",
            "Users/%2e%2e",
            "Users/%00",
            "Users/%FF",
            "//app.example/scim/acme%2Fx/v2/Users/42",
            "https://app.example",
            "https://app.example/Users/42",
            "https://app.example/scim/other/v2/Users/42",
            "https://app.example/scim/acme/x/v2/Users/42",
            "https://app.example/scim/acme%2Fx/v1/Users/42",
            "https://app.example/scim/acme%2Fx/v2/../v2/Users/42",
            "https://app.example/scim/ACME%2Fx/v2/Users/42",
            "https://app.example:8443/scim/acme%2Fx/v2/Users/42",
            "https://app.example.evil/scim/acme%2Fx/v2/Users/42",
            "https://app.example@evil.example/scim/acme%2Fx/v2/Users/42",
            "https://evil.example/?https://app.example/scim/acme%2Fx/v2/Users/42",
            "http://app.example/scim/acme%2Fx/v2/Users/42",
            "urn:uuid:2819c223-7f76-453a-919d-413861904646",
            " Users/42 /x",
        ] {
            assert_eq!(named(reference), None, "{reference}");
        }
    }

    #[test]
    fn absolute_references_need_a_base_url() {
        let own = "https://app.example/Users/42";
        assert!(parts(own, None).is_none());
        assert!(parts("Users/42", None).is_some());
        assert!(parts(own, Some("https://app.example")).is_some());
        assert!(parts(own, Some("https://app.example/")).is_some());
    }
}
