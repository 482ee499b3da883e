//! The users of benchmarks.

use serde_json::{Value, json};

/// Returns a user of the size that identity providers send.
pub(crate) fn user(number: usize) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User",
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "userName": format!("user{number}@example.com"),
        "externalId": format!("00u0000{number}"),
        "name": { "givenName": "Given", "familyName": format!("Family {number}"),
            "formatted": format!("Given Family {number}") },
        "displayName": format!("Given Family {number}"),
        "title": "Engineer", "userType": "Employee", "preferredLanguage": "en-GB",
        "locale": "en-GB", "timezone": "Europe/London", "active": true,
        "emails": [{ "value": format!("user{number}@example.com"), "type": "work", "primary": true },
            { "value": format!("user{number}@home.example"), "type": "home" }],
        "phoneNumbers": [{ "value": "tel:+44-20-5550100", "type": "work" }],
        "addresses": [{ "type": "work", "streetAddress": "1 High Street", "locality": "London",
            "postalCode": "E1 6AN", "country": "GB" }],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
            "employeeNumber": format!("{number}"), "department": "Engineering",
            "costCenter": "4130", "organization": "Example", "division": "Research" }
    })
}
