//! The attributes that a server declares, and scenarios adapted to them.
//!
//! A scenario is written with attribute names of RFC 7643. If it allows other attributes ([`Scenario::attributes`]), a
//! server that lacks the usual one is tested with one that it declares.

mod declared;
mod roles;
mod substitution;

use std::borrow::Cow;

use scimkit_core::builtin;
use serde_json::Value;

use self::declared::{Attribute, Schema, path};
use super::{Scenario, Step};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// The declarations in a server's `/Schemas`.
#[derive(Debug)]
pub(super) struct Declared {
    schemas: Vec<Schema>,
    /// The attributes of a user, by default those of RFC 7643.
    users: Vec<Attribute>,
}

impl Declared {
    /// Reads the response of `/Schemas` and ignores what can't be read.
    pub(super) fn from_list(list: &Value) -> Self {
        let schemas = Schema::all(list);
        let users = schemas.iter().find(|schema| schema.is(USER));
        Declared {
            users: users.map_or_else(standard_users, |users| users.attributes.clone()),
            schemas,
        }
    }

    /// Returns whether there is a schema with that URN, ignoring case.
    pub(super) fn serves(&self, urn: &str) -> bool {
        self.schemas.iter().any(|schema| schema.is(urn))
    }

    /// Returns the scenario with attributes that the server declares.
    ///
    /// # Errors
    /// The reason why the scenario can't be run: the server declares no suitable attribute.
    pub(super) fn fit<'s>(&self, scenario: &'s Scenario) -> Result<Cow<'s, Scenario>, String> {
        let missing: Vec<_> = scenario
            .requires_attributes
            .iter()
            .filter(|path| !self.declares(path))
            .map(|path| format!("`{path}`"))
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(", ");
            return Err(format!("the server declares no attribute {missing}"));
        }
        let required = self.required();
        if scenario.attributes.is_empty() && required.is_empty() {
            return Ok(Cow::Borrowed(scenario));
        }
        let roles = roles::assign(scenario, &self.users)?;
        let replaced = |step: &Step| -> Result<Step, serde_json::Error> {
            let mut tree = serde_json::to_value(step)?;
            substitution::replace(&mut tree, &roles);
            required.fill(&mut tree);
            serde_json::from_value(tree)
        };
        let steps: Result<_, _> = scenario.steps.iter().map(replaced).collect();
        let steps = steps.map_err(|problem| problem.to_string())?;
        Ok(Cow::Owned(Scenario {
            steps,
            ..scenario.clone()
        }))
    }

    /// Returns whether there is an attribute with that path, of a user unless the URN of a schema precedes it.
    fn declares(&self, full: &str) -> bool {
        match path::split_urn(full) {
            (None, path) => path::find(&self.users, path).is_some(),
            (Some(urn), path) => {
                let schema = self.schemas.iter().find(|schema| schema.is(urn));
                schema.is_some_and(|schema| path::find(&schema.attributes, path).is_some())
            }
        }
    }

    /// Returns the attributes that a new resource must have besides those that every scenario sends.
    fn required(&self) -> substitution::Required {
        let of = |attributes: &[Attribute], sent: &str| {
            let attributes = attributes.iter();
            let attributes = attributes.filter(|attr| attr.is_required() || attr.requires_parts());
            attributes
                .filter(|attr| !attr.is(sent) && !declared::is_common(&attr.name))
                .cloned()
                .collect()
        };
        let groups = self.schemas.iter().find(|schema| schema.is(GROUP));
        substitution::Required {
            groups: groups.map_or_else(Vec::new, |s| of(&s.attributes, "displayName")),
            users: of(&self.users, "userName"),
        }
    }
}

fn standard_users() -> Vec<Attribute> {
    let schema = serde_json::to_value(builtin::user()).unwrap_or_default();
    Schema::read(&schema).map_or_else(Vec::new, |schema| schema.attributes)
}
