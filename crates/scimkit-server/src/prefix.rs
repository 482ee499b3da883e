//! The path of the base URL, with or without a tenant.

use percent_encoding::percent_decode_str;

use crate::auth::TenantInPath;

/// The part of a path before the endpoints.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prefix {
    /// The text before the tenant, or the whole prefix.
    before: String,
    /// The text after the tenant, if the prefix contains one.
    behind: Option<String>,
}

impl Prefix {
    /// Parses `/scim/v2` or `/tenants/{tenant}/scim/v2`.
    pub(crate) fn of(text: &str) -> Self {
        let text = text.trim_end_matches('/');
        match text.split_once("{tenant}") {
            Some((before, behind)) => Prefix {
                before: before.to_owned(),
                behind: Some(behind.to_owned()),
            },
            None => Prefix {
                before: text.to_owned(),
                behind: None,
            },
        }
    }

    /// Returns the path for the log: without a prefix that has no tenant, as with a framework's nesting.
    pub(crate) fn logged<'p>(&self, path: &'p str) -> &'p str {
        match (&self.behind, self.strip(path)) {
            (None, Some((_, ""))) => "/",
            (None, Some((_, rest))) => rest,
            _ => path,
        }
    }

    /// Returns the tenant and the path below the prefix; `None` if the path is not below the prefix.
    pub(crate) fn strip<'p>(&self, path: &'p str) -> Option<(Option<TenantInPath>, &'p str)> {
        let rest = path.strip_prefix(self.before.as_str())?;
        let Some(behind) = &self.behind else {
            return is_below(rest).then_some((None, rest));
        };
        let end = rest.find('/').unwrap_or(rest.len());
        let (tenant, rest) = rest.split_at(end);
        let rest = rest.strip_prefix(behind.as_str())?;
        let tenant = percent_decode_str(tenant).decode_utf8().ok()?;
        let found = !tenant.is_empty() && is_below(rest);
        found.then(|| (Some(TenantInPath(tenant.into_owned())), rest))
    }
}

/// Returns whether the prefix ended at the end of a segment.
fn is_below(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

#[cfg(test)]
mod tests {
    use super::Prefix;

    #[test]
    fn log_shows_paths_below_a_prefix_without_a_tenant() {
        let prefix = Prefix::of("/scim/v2");
        assert_eq!(prefix.logged("/scim/v2/Users/1"), "/Users/1");
        assert_eq!(prefix.logged("/scim/v2"), "/");
        assert_eq!(prefix.logged("/scim/v22/Users"), "/scim/v22/Users");
        let prefix = Prefix::of("/t/{tenant}/scim/v2");
        assert_eq!(prefix.logged("/t/a/scim/v2/Users"), "/t/a/scim/v2/Users");
    }

    #[test]
    fn a_tenant_is_one_whole_segment() {
        let prefix = Prefix::of("/t/{tenant}/scim/v2/");
        let strip = |path| {
            let found = prefix.strip(path);
            found.map(|(tenant, rest)| (tenant.unwrap().0, rest.to_owned()))
        };
        let below = |tenant: &str, rest: &str| Some((tenant.to_owned(), rest.to_owned()));
        assert_eq!(strip("/t/acme/scim/v2/Users"), below("acme", "/Users"));
        assert_eq!(strip("/t/a%20b/scim/v2"), below("a b", ""));
        for path in [
            "/t//scim/v2/Users",
            "/t/acme/scim/v22/Users",
            "/t/acme/b/scim/v2/Users",
            "/t/%ff/scim/v2/Users",
            "/t/acme",
            "/acme/scim/v2/Users",
            "",
        ] {
            assert_eq!(strip(path), None, "{path}");
        }
    }
}
