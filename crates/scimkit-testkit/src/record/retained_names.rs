//! The names, schema URNs and languages that are known to be anonymous and are preserved.

use std::collections::BTreeSet;

use scimkit_registry::{Operator, Registry};

/// The names and URNs of the protocol and the registered schemas, compared ignoring case.
#[derive(Debug)]
pub(super) struct RetainedNames {
    names: BTreeSet<String>,
    urns: BTreeSet<String>,
}

impl Default for RetainedNames {
    fn default() -> Self {
        RetainedNames::of(&Registry::standard())
    }
}

impl RetainedNames {
    /// Creates the names and URNs of the RFCs and of these schemas.
    pub(super) fn of(registry: &Registry) -> Self {
        let operators = Operator::ALL.iter().map(|operator| operator.as_str());
        let words = WORDS.split_whitespace().chain(operators);
        let mut names: BTreeSet<_> = words.map(str::to_lowercase).collect();
        let mut urns: BTreeSet<_> = MESSAGES
            .iter()
            .map(|message| format!("urn:ietf:params:scim:api:messages:2.0:{message}"))
            .chain(
                DISCOVERY.map(|schema| format!("urn:ietf:params:scim:schemas:core:2.0:{schema}")),
            )
            .map(|urn| urn.to_lowercase())
            .collect();
        let standard = Registry::standard();
        for registry in [&standard, registry] {
            let schemas = registry.schemas().iter();
            urns.extend(schemas.map(|schema| schema.id.to_string().to_lowercase()));
            for kind in registry.resource_types() {
                urns.insert(kind.schema().to_string().to_lowercase());
                for attribute in kind.attributes() {
                    let path = attribute.path().rsplit(':').next().unwrap_or_default();
                    names.extend(path.split('.').map(str::to_lowercase));
                }
            }
        }
        RetainedNames { names, urns }
    }

    /// Returns whether the protocol or a schema has that name.
    pub(super) fn has_name(&self, name: &str) -> bool {
        self.names.contains(&name.to_lowercase())
    }

    /// Returns whether the text is the URN of a message or a schema.
    pub(super) fn has_urn(&self, text: &str) -> bool {
        self.urns.contains(&text.to_lowercase())
    }

    /// Returns the length of the URN at the start of a text, if an attribute name or nothing follows it.
    pub(super) fn urn_prefix(&self, text: &str) -> Option<usize> {
        let folded = text.to_ascii_lowercase();
        let begins = |urn: &&String| {
            let rest = folded.strip_prefix(urn.as_str());
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '.'))
        };
        self.urns.iter().filter(begins).map(String::len).max()
    }
}

/// Returns whether the text is a language of ISO 639-1, optionally with a country of ISO 3166-1: `en`, `en-US`.
pub(super) fn is_language(text: &str) -> bool {
    let (language, country) = match text.split_once(['-', '_']) {
        Some((language, country)) => (language, Some(country)),
        None => (text, None),
    };
    let one_of = |codes: &str, code: &str| {
        code.len() == 2
            && codes
                .split(' ')
                .any(|known| known.eq_ignore_ascii_case(code))
    };
    one_of(LANGUAGES, language) && country.is_none_or(|country| one_of(COUNTRIES, country))
}

/// The grammar of filters without its operators, the members of messages, and the attributes of every resource.
const WORDS: &str = "and false not null or pr true \
    attributes bulkId count cursor data excludedAttributes externalId failOnErrors filter id location meta \
    method op Operations path schemas sortBy sortOrder startIndex value version \
    urn ietf params scim schemas core extension api messages \
    detail itemsPerPage nextCursor previousCursor resources response scimType status totalResults";

const MESSAGES: [&str; 6] = [
    "BulkRequest",
    "BulkResponse",
    "Error",
    "ListResponse",
    "PatchOp",
    "SearchRequest",
];

const DISCOVERY: [&str; 3] = ["ResourceType", "Schema", "ServiceProviderConfig"];

const LANGUAGES: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv \
    cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie \
    ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk \
    ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se \
    sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo \
    xh yi yo za zh zu";

const COUNTRIES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO \
    BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH \
    ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL \
    IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME \
    MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH \
    PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC \
    TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";
