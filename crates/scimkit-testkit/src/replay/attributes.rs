//! The attributes that a server declares, and scenarios fitted to them.
//!
//! A scenario is written with attribute names of RFC 7643. Where it says that another attribute does as well
//! ([`Scenario::attributes`]), a server that lacks the usual one is asked about one that it declares.

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

/// What `/Schemas` of a server declares.
#[derive(Debug)]
pub(super) struct Declared {
    schemas: Vec<Schema>,
    /// The attributes of a user, those of RFC 7643 where the server declares none.
    users: Vec<Attribute>,
}

impl Declared {
    /// Reads the list that `/Schemas` answers with, as far as it can be read.
    pub(super) fn from_list(list: &Value) -> Self {
        let schemas = Schema::all(list);
        let users = schemas.iter().find(|schema| schema.is(USER));
        Declared {
            users: users.map_or_else(standard_users, |users| users.attributes.clone()),
            schemas,
        }
    }

    /// Whether there is a schema of that URN, in any case.
    pub(super) fn serves(&self, urn: &str) -> bool {
        self.schemas.iter().any(|schema| schema.is(urn))
    }

    /// The scenario with attributes that the server declares.
    ///
    /// # Errors
    /// The reason why the server can't be asked: it declares no such attribute.
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

    /// Whether there is an attribute of that path, of a user unless a schema stands before it.
    fn declares(&self, full: &str) -> bool {
        match path::split_urn(full) {
            (None, path) => path::find(&self.users, path).is_some(),
            (Some(urn), path) => {
                let schema = self.schemas.iter().find(|schema| schema.is(urn));
                schema.is_some_and(|schema| path::find(&schema.attributes, path).is_some())
            }
        }
    }

    /// The attributes that a new resource must have beside those that every scenario sends.
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
