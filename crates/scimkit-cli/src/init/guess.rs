//! A mapping, guessed from the names of columns.

use std::fmt;

use scimkit::{mapping::FieldType, tables::TableColumn};

/// Whether all rows of a column with text that ignores case are folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Folding {
    AsTheyAre,
    Folded,
}

/// A guessed mapping of one table.
#[derive(Debug)]
pub(crate) struct Mapping {
    folding: Folding,
    kind: &'static str,
    rules: Vec<Rule>,
    /// Columns without a rule, with their types.
    unmapped: Vec<(String, String)>,
}

#[derive(Debug)]
struct Rule {
    column: String,
    data_type: FieldType,
    is_indexed: bool,
    known: &'static Known,
}

/// An attribute, and the usual names of its columns in lower case without `_`.
#[derive(Debug)]
struct Known {
    form: Form,
    names: &'static [&'static str],
    path: &'static str,
}

/// What a column holds for an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The boolean.
    Boolean,
    /// Text that ignores case and identifies a user.
    Login,
    /// The opposite of the boolean.
    Opposite,
    /// The time since which the boolean is false.
    Since,
    /// The text.
    Text,
}

const fn known(path: &'static str, form: Form, names: &'static [&'static str]) -> Known {
    Known { form, names, path }
}

/// The attributes of users, in the order in which columns are looked for.
const USER: &[Known] = &[
    known(
        "userName",
        Form::Login,
        &[
            "username",
            "login",
            "loginname",
            "userlogin",
            "upn",
            "email",
            "emailaddress",
            "mail",
        ],
    ),
    known(
        "externalId",
        Form::Text,
        &[
            "externalid",
            "directoryid",
            "idpid",
            "entraid",
            "oktaid",
            "azureid",
        ],
    ),
    known(
        "active",
        Form::Boolean,
        &["isactive", "active", "isenabled", "enabled"],
    ),
    known(
        "active",
        Form::Opposite,
        &[
            "isdisabled",
            "disabled",
            "isinactive",
            "inactive",
            "isdeactivated",
            "deactivated",
            "issuspended",
            "suspended",
            "isblocked",
            "blocked",
            "islocked",
            "locked",
        ],
    ),
    known(
        "active",
        Form::Since,
        &[
            "disabledat",
            "deactivatedat",
            "suspendedat",
            "blockedat",
            "lockedat",
        ],
    ),
    known(
        "name.givenName",
        Form::Text,
        &["givenname", "firstname", "forename"],
    ),
    known("name.middleName", Form::Text, &["middlename"]),
    known(
        "name.familyName",
        Form::Text,
        &["familyname", "lastname", "surname"],
    ),
    known(
        "displayName",
        Form::Text,
        &["displayname", "fullname", "name"],
    ),
    known("nickName", Form::Text, &["nickname", "nick"]),
    known("title", Form::Text, &["jobtitle", "title", "position"]),
    known("userType", Form::Text, &["usertype", "employeetype"]),
    known(
        "preferredLanguage",
        Form::Text,
        &["preferredlanguage", "language", "lang"],
    ),
    known("locale", Form::Text, &["locale"]),
    known("timezone", Form::Text, &["timezone", "tz"]),
    known("profileUrl", Form::Text, &["profileurl", "website"]),
    known(
        r#"emails[type eq "work"].value"#,
        Form::Text,
        &["workemail", "email", "emailaddress", "mail"],
    ),
    known(
        r#"phoneNumbers[type eq "work"].value"#,
        Form::Text,
        &["workphone", "phone", "phonenumber", "telephone"],
    ),
    known(
        r#"phoneNumbers[type eq "mobile"].value"#,
        Form::Text,
        &["mobile", "mobilephone", "cellphone"],
    ),
    known(
        r#"photos[type eq "photo"].value"#,
        Form::Text,
        &["avatarurl", "photourl", "avatar"],
    ),
    known(
        r#"addresses[type eq "work"].streetAddress"#,
        Form::Text,
        &["street", "streetaddress"],
    ),
    known(
        r#"addresses[type eq "work"].locality"#,
        Form::Text,
        &["city"],
    ),
    known(
        r#"addresses[type eq "work"].postalCode"#,
        Form::Text,
        &["postalcode", "postcode", "zip", "zipcode"],
    ),
    known(
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber",
        Form::Text,
        &["employeenumber", "employeeid", "personnelnumber"],
    ),
    known(
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        Form::Text,
        &["department"],
    ),
    known(
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter",
        Form::Text,
        &["costcenter", "costcentre"],
    ),
    known(
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:division",
        Form::Text,
        &["division"],
    ),
];

const GROUP: &[Known] = &[
    known(
        "displayName",
        Form::Text,
        &[
            "displayname",
            "name",
            "groupname",
            "teamname",
            "title",
            "label",
        ],
    ),
    known(
        "externalId",
        Form::Text,
        &[
            "externalid",
            "directoryid",
            "idpid",
            "entraid",
            "oktaid",
            "azureid",
        ],
    ),
];

/// The usual names of the column with the tenant of a row.
const TENANTS: &[&str] = &[
    "tenantid",
    "tenant",
    "companyid",
    "company",
    "organizationid",
    "organisationid",
    "orgid",
    "accountid",
    "workspaceid",
    "customerid",
];

impl Mapping {
    /// Guesses the mapping of a resource type from the columns besides the keys.
    pub(crate) fn guess(kind: &'static str, columns: &[TableColumn], folding: Folding) -> Self {
        let attributes = if kind == "Group" { GROUP } else { USER };
        let mut rules: Vec<Rule> = Vec::new();
        for known in attributes {
            if rules.iter().any(|rule| rule.known.path == known.path) {
                continue;
            }
            let free = |column: &&TableColumn| !rules.iter().any(|rule| rule.column == column.name);
            let mut named = known.names.iter().flat_map(|name| {
                let columns = columns.iter().filter(free);
                columns.filter(|column| plain(&column.name) == *name)
            });
            let found = named.find_map(|column| Some((column, known.form.data_type(column)?)));
            if let Some((column, data_type)) = found {
                rules.push(Rule {
                    column: column.name.clone(),
                    data_type,
                    is_indexed: column.is_indexed,
                    known,
                });
            }
        }
        let free = columns
            .iter()
            .filter(|column| !rules.iter().any(|rule| rule.column == column.name));
        let unmapped = free
            .map(|column| (column.name.clone(), column.declared.clone()))
            .collect();
        Mapping {
            folding,
            kind,
            rules,
            unmapped,
        }
    }

    /// Whether no column has a rule.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The columns without a rule.
    pub(crate) fn unmapped(&self) -> Vec<&str> {
        self.unmapped
            .iter()
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// The column without a rule that is named like one of tenants.
    pub(crate) fn tenant(&self) -> Option<&str> {
        let mut names = self.unmapped.iter().map(|(name, _)| name.as_str());
        names.find(|name| TENANTS.contains(&plain(name).as_str()))
    }
}

impl Form {
    /// The type of the field for a column; none if the column can't hold it.
    fn data_type(self, column: &TableColumn) -> Option<FieldType> {
        let candidates: &[FieldType] = match self {
            Form::Boolean | Form::Opposite => &[FieldType::Boolean],
            Form::Login | Form::Text => &[FieldType::Text],
            Form::Since => &[FieldType::Instant, FieldType::Integer],
        };
        candidates
            .iter()
            .copied()
            .find(|data_type| column.holds(*data_type))
    }
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[{}.fields]", self.kind)?;
        for rule in &self.rules {
            rule.write_field(self.folding, f)?;
        }
        for rule in &self.rules {
            writeln!(f, "\n[[{}.map]]", self.kind)?;
            rule.write_rule(self.folding, f)?;
        }
        if !self.unmapped.is_empty() {
            writeln!(f, "\n# Columns without a rule:")?;
        }
        for (name, declared) in &self.unmapped {
            writeln!(
                f,
                "# {} ({}){}",
                quoted(name),
                declared.escape_debug(),
                remark(name)
            )?;
        }
        Ok(())
    }
}

impl Rule {
    fn write_field(&self, folding: Folding, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = quoted(&self.column);
        let data_type = self.data_type.name();
        let is_folded = self.known.form == Form::Login && folding == Folding::Folded;
        // Boolean columns and unfolded text have no index that a filter could use.
        let is_filterable = self.is_indexed && (is_folded || self.known.path == "externalId");
        let flags = [("filterable", is_filterable), ("folded", is_folded)];
        let flags: String = flags
            .iter()
            .filter(|(_, is_set)| *is_set)
            .map(|(flag, _)| format!(", {flag} = true"))
            .collect();
        if flags.is_empty() {
            writeln!(f, "{name} = \"{data_type}\"")
        } else {
            writeln!(f, "{name} = {{ type = \"{data_type}\"{flags} }}")
        }
    }

    fn write_rule(&self, folding: Folding, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "scim = '{}'", self.known.path)?;
        writeln!(f, "field = {}", text(&self.column))?;
        match (self.known.form, self.data_type) {
            (Form::Login, _) if folding == Folding::Folded => writeln!(f, "transform = [\"fold\"]"),
            (Form::Opposite, _) => {
                writeln!(
                    f,
                    "transform = [{{ values = {{ true = false, false = true }} }}]"
                )
            }
            (Form::Since, FieldType::Integer) => {
                writeln!(
                    f,
                    "transform = [{{ since = {{ value = false, form = \"seconds\" }} }}]"
                )
            }
            (Form::Since, _) => writeln!(f, "transform = [{{ since = false }}]"),
            _ => Ok(()),
        }
    }
}

/// A remark on a column that is not mapped.
fn remark(name: &str) -> &'static str {
    match plain(name).as_str() {
        "status" | "state" => {
            ": if it marks active users, map `active` with `values = { true = \"…\", false = \"…\" }`"
        }
        name if name.contains("password") => ": passwords go to a `SecretHandler`",
        "createdat" | "updatedat" => ": a time of the row; name both in `times` of the table",
        _ => "",
    }
}

/// A name without case and `_`, for comparisons.
pub(crate) fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| letter.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}

/// A key of TOML.
fn quoted(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(is_bare) {
        name.to_owned()
    } else {
        text(name)
    }
}

/// A text of TOML, which has the escapes of JSON.
pub(crate) fn text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
