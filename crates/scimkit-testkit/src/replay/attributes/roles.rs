//! The assignment of a server's attributes to those of a scenario.

use super::{
    super::Scenario,
    declared::{Attribute, is_common, path},
    standard_users,
};

/// An attribute of RFC 7643 in a scenario, and the attribute that replaces it.
#[derive(Debug, PartialEq)]
pub(super) struct Role {
    /// The placeholder: `title`, `name`, `givenName`, `name.givenName`.
    pub(super) placeholder: String,
    /// The path of the replacement.
    pub(super) path: String,
}

/// The attributes whose values have a special form, so that they can't have arbitrary text.
const FORMED: [&str; 6] = [
    "locale",
    "name.formatted",
    "phoneNumbers",
    "preferredLanguage",
    "timezone",
    "userName",
];

/// Finds a separate attribute for each one that the scenario uses.
///
/// An attribute that is declared like in RFC 7643 is used itself. Another attribute can replace it if it can be sent,
/// changed, returned and compared in the same way. A sub-attribute of a single-valued attribute can also replace a
/// simple one.
///
/// # Errors
/// The reason why an attribute has no replacement.
pub(super) fn assign(scenario: &Scenario, users: &[Attribute]) -> Result<Vec<Role>, String> {
    let standard = standard_users();
    let steps = serde_json::to_string(&scenario.steps).unwrap_or_default();
    let mut search = Search {
        sends: &|value| {
            let quoted = [("\"", "\""), ("\\\"", "\\\""), ("%22", "%22")];
            let mut quoted = quoted
                .map(|(open, close)| format!("{open}{value}{close}"))
                .into_iter();
            quoted.any(|quoted| steps.contains(&quoted))
        },
        taken: scenario.requires_attributes.clone(),
        users,
    };
    let mut wanted = Vec::new();
    for full in &scenario.attributes {
        let name = full.split('.').next().unwrap_or(full);
        let attribute = path::find(&standard, name);
        let attribute =
            attribute.ok_or_else(|| format!("RFC 7643 has no attribute `{full}` of a user"))?;
        if !wanted
            .iter()
            .any(|known: &Wanted<'_>| known.attribute == attribute)
        {
            let paths = scenario.attributes.iter().map(String::as_str);
            wanted.push(Wanted {
                attribute,
                subs: paths
                    .filter_map(|path| path.strip_prefix(name)?.strip_prefix('.'))
                    .collect(),
            });
        }
    }
    // Attributes that are used themselves come first, so that none of them becomes a replacement.
    let mut found: Vec<Option<Vec<Role>>> = wanted.iter().map(|one| search.itself(one)).collect();
    for (one, roles) in wanted.iter().zip(&mut found) {
        if roles.is_none() {
            *roles = search.another(one);
        }
        if roles.is_none() {
            return Err(one.nothing_like_it());
        }
    }
    Ok(found.into_iter().flatten().flatten().collect())
}

/// An attribute of RFC 7643 with the sub-attributes that are used.
struct Wanted<'a> {
    attribute: &'a Attribute,
    subs: Vec<&'a str>,
}

impl Wanted<'_> {
    fn nothing_like_it(&self) -> String {
        let Attribute {
            kind,
            multi_valued,
            name,
            ..
        } = self.attribute;
        let many = if *multi_valued {
            "multi-valued"
        } else {
            "single-valued"
        };
        let with = if self.subs.is_empty() {
            String::new()
        } else {
            format!(" with `{}`", self.subs.join("`, `"))
        };
        format!(
            "the server declares no attribute for `{name}`: a writable {many} {kind}{with} that the case does not use \
             otherwise"
        )
    }

    fn roles(&self, path: &str, subs: &[&str]) -> Vec<Role> {
        let role = |placeholder: String, path: String| Role { placeholder, path };
        let name = &self.attribute.name;
        let mut roles = vec![role(name.clone(), path.to_owned())];
        for (wanted, sub) in self.subs.iter().zip(subs) {
            roles.push(role((*wanted).to_owned(), (*sub).to_owned()));
            roles.push(role(format!("{name}.{wanted}"), format!("{path}.{sub}")));
        }
        roles
    }
}

struct Search<'a> {
    /// Returns whether the scenario sends that text.
    sends: &'a dyn Fn(&str) -> bool,
    /// The paths in use.
    taken: Vec<String>,
    users: &'a [Attribute],
}

impl Search<'_> {
    fn itself(&mut self, wanted: &Wanted<'_>) -> Option<Vec<Role>> {
        let users = self.users;
        let same = users.iter().find(|attr| attr.is(&wanted.attribute.name))?;
        self.by(same, wanted)
    }

    fn another(&mut self, wanted: &Wanted<'_>) -> Option<Vec<Role>> {
        let users = self.users;
        let others = || users.iter().filter(|attr| !is_common(&attr.name));
        let same = others().find_map(|attr| self.by(attr, wanted));
        if same.is_some() || wanted.attribute.is_complex() {
            return same;
        }
        let parents = others().filter(|attr| attr.is_complex() && !attr.multi_valued);
        let parents = parents.filter(|attr| attr.is_writable());
        for parent in parents {
            for sub in &parent.subs {
                let path = format!("{}.{}", parent.name, sub.name);
                let like = sub.is_like(wanted.attribute, self.sends);
                if like && !parent.required && self.take(&path) {
                    return Some(wanted.roles(&path, &[]));
                }
            }
        }
        None
    }

    /// Returns the roles if this attribute can replace the wanted one.
    fn by(&mut self, attribute: &Attribute, wanted: &Wanted<'_>) -> Option<Vec<Role>> {
        if !attribute.is_like(wanted.attribute, self.sends) {
            return None;
        }
        let subs = self.subs(attribute, wanted)?;
        let free = !attribute.is_required() && self.take(&attribute.name);
        free.then(|| wanted.roles(&attribute.name, &subs))
    }

    /// Returns the sub-attributes for the wanted ones: with the same name, or for a single-valued attribute another
    /// one.
    fn subs<'b>(&self, attribute: &'b Attribute, wanted: &Wanted<'_>) -> Option<Vec<&'b str>> {
        let mut subs: Vec<&str> = Vec::with_capacity(wanted.subs.len());
        for name in &wanted.subs {
            let like = wanted.attribute.sub(name)?;
            let fits = |sub: &&Attribute| {
                let optional = Attribute {
                    required: false,
                    ..(*sub).clone()
                };
                let formed = format!("{}.{}", attribute.name, sub.name);
                optional.is_like(like, self.sends) && !is_formed(&formed)
            };
            let same = attribute.sub(name).filter(fits);
            let free = |sub: &&Attribute| {
                let used = |known: &&str| sub.is(known);
                !wanted.subs.iter().any(used) && !subs.iter().any(used)
            };
            let another = || {
                if attribute.multi_valued {
                    None
                } else {
                    attribute.subs.iter().filter(free).find(fits)
                }
            };
            subs.push(&same.or_else(another)?.name);
        }
        Some(subs)
    }

    /// Reserves a path, unless it, its parent or a part of it is in use, or it has a special form.
    fn take(&mut self, path: &str) -> bool {
        let within = |inner: &str, outer: &str| {
            let rest = inner.to_lowercase();
            let rest = rest.strip_prefix(&outer.to_lowercase()).map(str::to_owned);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let meets = |known: &String| within(known, path) || within(path, known);
        let free = !self.taken.iter().any(meets) && !is_formed(path);
        if free {
            self.taken.push(path.to_owned());
        }
        free
    }
}

fn is_formed(path: &str) -> bool {
    FORMED.iter().any(|known| known.eq_ignore_ascii_case(path))
}
