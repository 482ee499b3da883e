//! Names of people and groups, among them names that are easily mishandled.

use fastrand::Rng;

const GIVEN: &[&str] = &[
    "Ada", "Amir", "Bea", "Bo", "Carla", "Chen", "Dana", "Diego", "Elif", "Emeka", "Eva", "Femi",
    "Gita", "Hana", "Ines", "Ivan", "Jana", "Juma", "Kim", "Lars", "Lena", "Luis", "Maya", "Mei",
    "Nils", "Nora", "Omar", "Pia", "Ravi", "Rosa", "Sami", "Sofia", "Tariq", "Uma", "Vera", "Yuki",
];

const FAMILY: &[&str] = &[
    "Adeyemi", "Berg", "Castro", "Diaz", "Eriksen", "Fischer", "Garcia", "Haddad", "Ito", "Jansen",
    "Khan", "Lee", "Moreau", "Nowak", "Okafor", "Park", "Quinn", "Rossi", "Silva", "Tanaka",
    "Ueda", "Varga", "Weber", "Xu", "Young", "Zimmer",
];

/// Names that break careless quoting, encoding, comparison or typing.
const HOSTILE: &[&str] = &[
    "O'Brien",
    "d’Arcy",
    "\"Bobby\" Tables",
    "C:\\temp\\",
    "\\\"both\\\"",
    "Robert'); --",
    "Zoë",
    "Zoe\u{308}",
    "Großmann",
    "İstanbul",
    "李小龙",
    "محمد",
    "👩\u{200d}💻 Dev",
    "R&D + 50% / 3=4?",
    "(sales] and title pr",
    "null",
    "true",
    "{{run}}",
    "<b>bold</b>",
    "../../Users",
    "a, b; c",
];

/// The departments of the company.
pub(super) const DEPARTMENTS: &[&str] = &["Engineering", "Finance", "R&D", "Sales", "Vertrieb Süd"];
/// The titles of its people.
pub(super) const TITLES: &[&str] = &["Analyst", "Engineer", "Head of \"Special\" Projects", "Dr"];

/// Characters in a name that is long, but not too long for one attribute.
const LONG: usize = 300;

pub(super) fn given(rng: &mut Rng) -> String {
    let plain = rng.choice(GIVEN).copied().unwrap_or_default();
    one_in(rng, 20, plain)
}

pub(super) fn family(rng: &mut Rng) -> String {
    let plain = rng.choice(FAMILY).copied().unwrap_or_default();
    one_in(rng, 6, plain)
}

/// The name of a group, which no other group has.
pub(super) fn group(rng: &mut Rng, key: u32) -> String {
    let plain = rng.choice(DEPARTMENTS).copied().unwrap_or_default();
    format!("{} {key}", one_in(rng, 4, plain))
}

/// A user name that nobody else has, as `ada.berg7@s42.idp.example`.
pub(super) fn user(rng: &mut Rng, given: &str, family: &str, key: u32, domain: &str) -> String {
    let plain = |name: &str| name.chars().all(|letter| letter.is_ascii_alphanumeric());
    let local = if plain(given) && plain(family) {
        format!("{given}.{family}").to_ascii_lowercase()
    } else {
        "user".to_owned()
    };
    match rng.u8(..16) {
        0 => format!("o'brien+tag{key}@{domain}"),
        1 => format!("zoë.{key}@{domain}"),
        2 => format!("\"{local}\\{key}\"@{domain}"),
        3 => format!("{}{key}@{domain}", local.to_ascii_uppercase()),
        4 => format!("{local}.{}.{key}@{domain}", "long".repeat(LONG / 8)),
        5 => format!("{local} & {key}@{domain}"),
        _ => format!("{local}{key}@{domain}"),
    }
}

/// The text with the case of its ASCII letters changed.
pub(super) fn other_case(text: &str) -> String {
    let upper = text.to_ascii_uppercase();
    if upper == text {
        text.to_ascii_lowercase()
    } else {
        upper
    }
}

fn one_in(rng: &mut Rng, share: u32, plain: &str) -> String {
    if rng.u32(..share) > 0 {
        return plain.to_owned();
    }
    match rng.usize(..=HOSTILE.len()) {
        0 => format!("{plain} {}", "Longname ".repeat(LONG / 9))
            .trim_end()
            .to_owned(),
        at => HOSTILE.get(at - 1).copied().unwrap_or_default().to_owned(),
    }
}
