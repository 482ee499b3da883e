//! Groups.

use super::{MultiValue, attributes};

attributes! {
    /// A group, with a field for each attribute of RFC 7643.
    ///
    /// See [`User`](crate::User) for how it is read and written.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_core::Group;
    ///
    /// let group: Group = serde_json::from_str(r#"{"displayName": "Staff", "members": [{"value": "42"}], "colour": 7}"#)?;
    /// assert_eq!(group.display_name.as_deref(), Some("Staff"));
    /// assert!(group.has_member("42"));
    /// assert_eq!(serde_json::to_value(&group)?["colour"], 7);
    /// assert!(serde_json::from_str::<Group>(r#"{"members": "42"}"#).is_err());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// [RFC 7643, section 4.2](https://www.rfc-editor.org/rfc/rfc7643#section-4.2)
    #[derive(Clone, Debug, Default, PartialEq)]
    Group {
        /// The URIs of the schemas.
        schemas: Vec<String> = "schemas",
        /// The id that the service provider assigned.
        id: Option<String> = "id",
        /// The id that the client assigned.
        external_id: Option<String> = "externalId",
        /// The name of the group.
        display_name: Option<String> = "displayName",
        /// The members: users, and nested groups.
        members: Vec<MultiValue> = "members",
    }
}

impl Group {
    /// Returns the ids of the members.
    pub fn member_ids(&self) -> impl Iterator<Item = &str> {
        self.members
            .iter()
            .filter_map(|member| member.value.as_deref())
    }

    /// Returns whether the resource with this id is a direct member.
    #[must_use]
    pub fn has_member(&self, id: &str) -> bool {
        self.member_ids().any(|member| member == id)
    }
}
