//! What the benchmarks of the filter parser share: the filters, the parsers beside ours, and hostile texts.

pub mod hand;
pub mod hostile;
pub mod lexer;
pub mod scan;
pub mod structure;

mod bytes;

use std::hint::black_box;

/// Filters as clients send them, from the shortest to a long nested one.
pub const FILTERS: [&str; 8] = [
    r#"userName eq "bjensen""#,
    r#"externalId eq "00ub0oNGTSWTBKOLGLNR""#,
    r#"title pr and userType eq "Employee""#,
    r#"meta.lastModified ge "2011-05-13T04:42:34Z""#,
    r#"emails[type eq "work" and value co "@example.com"]"#,
    r#"userType eq "Employee" and (emails co "example.com" or emails.value co "example.org")"#,
    r#"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "Engineering" and not (active eq false)"#,
    r#"urn:ietf:params:scim:schemas:core:2.0:User:userType eq "Employee" and (emails[type eq "work" and value ew "@example.com"] or ims[type eq "xmpp" and value co "@foo.com"]) and not (urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber sw "7" or meta.lastModified lt "2011-05-13T04:42:34Z") and (name.familyName co "O'Malley" or displayName pr)"#,
];

/// Something that reads a filter, and drops what it made of it.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// What the tables call it.
    pub name: &'static str,
    /// Reads a text, and says whether it went well.
    pub read: fn(&str) -> bool,
}

/// Our parser, and what is written beside it, from the least work to the most.
pub const SUBJECTS: [Subject; 5] = [
    Subject {
        name: "byte scan",
        read: |text| black_box(scan::classes(text)) > 0,
    },
    Subject {
        name: "lexer",
        read: |text| black_box(lexer::tokens(text)).is_some(),
    },
    Subject {
        name: "structure",
        read: |text| black_box(structure::parse(text)).is_some(),
    },
    Subject {
        name: "hand",
        read: |text| black_box(hand::parse(text)).is_ok(),
    },
    Subject {
        name: "scimkit",
        read: |text| black_box(scimkit_filter::Filter::parse(text)).is_ok(),
    },
];
