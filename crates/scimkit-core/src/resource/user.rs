//! Users.

use std::{borrow::Cow, fmt};

use serde_json::Value;

use super::{MultiValue, attributes, leading, of_kind};
use crate::builtin;

attributes! {
    /// A user, with a field for each attribute of RFC 7643.
    ///
    /// - Reading ignores the case of names, writing uses the spelling of the schema. A value of another type is an error.
    /// - Nothing is lost: unknown attributes, other extensions, and members that are `null`, `[]` or `{}` are in `other`, and
    ///   are written as they were read. A field that is set takes precedence over a member of `other`.
    /// - [`Debug`] does not show the password.
    ///
    /// Untrusted JSON should first be [admitted] or read with [`parse_json`](crate::parse_json), which limit it.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_core::{MultiValue, User};
    /// use serde_json::json;
    ///
    /// let document = json!({
    ///     "userName": "bjensen",
    ///     "emails": [{"type": "work", "value": "b@x.example"}],
    ///     "urn:example:2.0:Badge": {"number": 7},
    ///     "title": null,
    /// });
    /// let mut user: User = serde_json::from_value(document.clone())?;
    /// assert_eq!(user.work_email(), Some("b@x.example"));
    /// assert!(user.is_active());
    /// assert_eq!(serde_json::to_value(&user)?, document);
    ///
    /// user.emails.push(MultiValue::new("babs@home.example").with_kind("home"));
    /// assert_eq!(serde_json::to_value(&user)?["emails"][1]["type"], "home");
    /// assert!(serde_json::from_value::<User>(json!({"active": "maybe"})).is_err());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// [admitted]: https://docs.rs/scimkit-registry/latest/scimkit_registry/struct.ResourceType.html#method.admit
    ///
    /// [RFC 7643, section 4.1](https://www.rfc-editor.org/rfc/rfc7643#section-4.1)
    #[derive(Clone, Default, PartialEq)]
    User {
        /// The URIs of the schemas.
        schemas: Vec<String> = "schemas",
        /// The id that the service provider assigned.
        id: Option<String> = "id",
        /// The id that the client assigned.
        external_id: Option<String> = "externalId",
        /// The name with which the user signs in.
        user_name: Option<String> = "userName",
        /// The parts of the name.
        name: Option<PersonName> = "name",
        /// The name to show.
        display_name: Option<String> = "displayName",
        /// The nickname.
        nick_name: Option<String> = "nickName",
        /// The URI of a page about the user.
        profile_url: Option<String> = "profileUrl",
        /// The title, such as `Vice President`.
        title: Option<String> = "title",
        /// The relation to the organisation, such as `Employee`.
        user_type: Option<String> = "userType",
        /// The preferred languages, as in the header `Accept-Language`.
        preferred_language: Option<String> = "preferredLanguage",
        /// The locale, such as `en-US`.
        locale: Option<String> = "locale",
        /// The time zone, such as `Europe/Berlin`.
        timezone: Option<String> = "timezone",
        /// Whether the user may use the application: see [`User::is_active`].
        active: Option<bool> = "active",
        /// The password, which only requests contain.
        password: Option<String> = "password",
        /// The e-mail addresses.
        emails: Vec<MultiValue> = "emails",
        /// The phone numbers.
        phone_numbers: Vec<MultiValue> = "phoneNumbers",
        /// The addresses of instant messaging.
        ims: Vec<MultiValue> = "ims",
        /// The URIs of photos.
        photos: Vec<MultiValue> = "photos",
        /// The postal addresses.
        addresses: Vec<Address> = "addresses",
        /// The groups of the user, which only responses contain.
        groups: Vec<MultiValue> = "groups",
        /// The entitlements.
        entitlements: Vec<MultiValue> = "entitlements",
        /// The roles.
        roles: Vec<MultiValue> = "roles",
        /// The certificates.
        x509_certificates: Vec<MultiValue> = "x509Certificates",
        /// The extension for enterprise users.
        enterprise: Option<EnterpriseUser> = builtin::ENTERPRISE_USER,
    }
}

impl User {
    /// Returns the primary e-mail address, otherwise the first.
    #[must_use]
    pub fn primary_email(&self) -> Option<&str> {
        leading(&self.emails)?.value.as_deref()
    }

    /// Returns the e-mail address of the type `work`; of several the primary one, otherwise the first.
    #[must_use]
    pub fn work_email(&self) -> Option<&str> {
        leading(of_kind(&self.emails, "work"))?.value.as_deref()
    }

    /// Returns whether the user may use the application: unless `active` is `false`.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.active != Some(false)
    }

    /// Returns the name to show: `displayName`, the formatted name, the given and the family name, or `userName`, of which
    /// it takes the first that is not empty.
    ///
    /// # Example
    ///
    /// ```
    /// use scimkit_core::User;
    /// use serde_json::json;
    ///
    /// let body = json!({"userName": "bjensen", "name": {"givenName": "Barbara", "familyName": "Jensen"}});
    /// let user: User = serde_json::from_value(body)?;
    /// assert_eq!(user.shown_name().as_deref(), Some("Barbara Jensen"));
    /// assert_eq!(User::default().shown_name(), None);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn shown_name(&self) -> Option<Cow<'_, str>> {
        let display_name = assigned(self.display_name.as_ref());
        let shown = display_name.map(Cow::from);
        let shown = shown.or_else(|| self.name.as_ref()?.shown());
        shown.or_else(|| assigned(self.user_name.as_ref()).map(Cow::from))
    }

    /// Returns the id of the manager.
    #[must_use]
    pub fn manager_id(&self) -> Option<&str> {
        self.enterprise.as_ref()?.manager.as_ref()?.value.as_deref()
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = serde_json::to_value(self).unwrap_or_default();
        if let Some(password) = shown.get_mut("password") {
            *password = Value::from("…");
        }
        f.debug_tuple("User").field(&shown).finish()
    }
}

attributes! {
    /// The parts of a person's name.
    ///
    /// [RFC 7643, section 4.1.1](https://www.rfc-editor.org/rfc/rfc7643#section-4.1.1)
    #[derive(Clone, Debug, Default, PartialEq)]
    PersonName {
        /// The full name.
        formatted: Option<String> = "formatted",
        /// The family name.
        family_name: Option<String> = "familyName",
        /// The given name.
        given_name: Option<String> = "givenName",
        /// The middle names.
        middle_name: Option<String> = "middleName",
        /// A title before the name, such as `Ms.`.
        honorific_prefix: Option<String> = "honorificPrefix",
        /// A suffix after the name, such as `III`.
        honorific_suffix: Option<String> = "honorificSuffix",
    }
}

impl PersonName {
    fn shown(&self) -> Option<Cow<'_, str>> {
        if let Some(formatted) = assigned(self.formatted.as_ref()) {
            return Some(Cow::from(formatted));
        }
        let given = assigned(self.given_name.as_ref());
        let family = assigned(self.family_name.as_ref());
        match (given, family) {
            (Some(given), Some(family)) => Some(Cow::from(format!("{given} {family}"))),
            (one, other) => one.or(other).map(Cow::from),
        }
    }
}

attributes! {
    /// A postal address.
    ///
    /// [RFC 7643, section 4.1.2](https://www.rfc-editor.org/rfc/rfc7643#section-4.1.2)
    #[derive(Clone, Debug, Default, PartialEq)]
    Address {
        /// The whole address, for labels.
        formatted: Option<String> = "formatted",
        /// The street and number; it may contain line breaks.
        street_address: Option<String> = "streetAddress",
        /// The city.
        locality: Option<String> = "locality",
        /// The state or region.
        region: Option<String> = "region",
        /// The postal code.
        postal_code: Option<String> = "postalCode",
        /// The country, as two letters (ISO 3166-1).
        country: Option<String> = "country",
        /// `type`: `work`, `home` or another label.
        kind: Option<String> = "type",
        /// Whether the address is the preferred one.
        primary: Option<bool> = "primary",
    }
}

attributes! {
    /// The extension of RFC 7643 for users of enterprises.
    ///
    /// [RFC 7643, section 4.3](https://www.rfc-editor.org/rfc/rfc7643#section-4.3)
    #[derive(Clone, Debug, Default, PartialEq)]
    EnterpriseUser {
        /// The number that the organisation gave the person.
        employee_number: Option<String> = "employeeNumber",
        /// The cost center.
        cost_center: Option<String> = "costCenter",
        /// The organisation.
        organization: Option<String> = "organization",
        /// The division.
        division: Option<String> = "division",
        /// The department.
        department: Option<String> = "department",
        /// The manager.
        manager: Option<Manager> = "manager",
    }
}

attributes! {
    /// The manager of a user.
    ///
    /// [RFC 7643, section 4.3](https://www.rfc-editor.org/rfc/rfc7643#section-4.3)
    #[derive(Clone, Debug, Default, PartialEq)]
    Manager {
        /// The id of the manager.
        value: Option<String> = "value",
        /// `$ref`: the URI of the manager.
        reference: Option<String> = "$ref",
        /// The name of the manager, which only responses contain.
        display_name: Option<String> = "displayName",
    }
}

/// Returns the text unless it is empty.
fn assigned(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}
