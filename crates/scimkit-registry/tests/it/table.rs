//! The attribute table and its names.

use scimkit_core::{Mutability, Returned};
use scimkit_filter::AttributePath;
use scimkit_registry::{AttrId, AttributeRole, Registry, Tolerance};

use crate::world::{EXTRA, GADGET, MORE, gadget, id, kind};

#[test]
fn names_ignore_case_and_take_urns() {
    let gadget = gadget();
    let cases = [
        ("LABEL", Some("label")),
        ("Place.ZIP", Some("place.zip")),
        ("meta.Created", Some("meta.created")),
        ("owner.$REF", Some("owner.$ref")),
        ("urn:example:2.0:Gadget:label", Some("label")),
        ("URN:EXAMPLE:2.0:GADGET:PLACE.zip", Some("place.zip")),
        ("urn:example:2.0:Gadget:id", Some("id")),
        (
            "urn:example:2.0:extra:LABEL",
            Some("urn:example:2.0:Extra:label"),
        ),
        (
            "urn:example:2.0:Extra:box.A",
            Some("urn:example:2.0:Extra:box.a"),
        ),
        ("urn:example:2.0:Extra:solo", None),
        ("urn:example:2.0:Other:label", None),
        ("solo", None),
        ("place.none", None),
        ("label.value", None),
        ("place.zip.more", None),
        ("parts[type eq \"a\"]", None),
        ("urn:example:2.0:Extra", None),
        ("", None),
        (" label", None),
    ];
    for (text, path) in cases {
        let found = gadget.attribute_id(text).map(|id| gadget.attr(id).path());
        assert_eq!(found, path, "{text}");
    }
}

#[test]
fn unqualified_extension_attributes_are_found_if_tolerated_and_unique() {
    let gadget = gadget();
    let cases = [
        ("solo", Some("urn:example:2.0:More:solo")),
        ("BOX.b", Some("urn:example:2.0:Extra:box.b")),
        ("label", Some("label")), // the core's own comes first
        ("note", None),           // in both
        ("urn:example:2.0:Extra:solo", None),
        ("nowhere", None),
    ];
    for (text, expected) in cases {
        let path = AttributePath::parse(text).unwrap();
        let find = |t| gadget.find(&path, t).map(|id| gadget.attr(id).path());
        assert_eq!(find(&Tolerance::DEFAULT), expected, "{text}");
        let strict = expected.filter(|path| !path.starts_with("urn:"));
        assert_eq!(find(&Tolerance::STRICT), strict, "{text}");
    }
}

#[test]
fn id_is_the_second_attribute_of_every_table() {
    for name in ["User", "Group", "Gadget"] {
        let kind = kind(name);
        assert_eq!(kind.attr(AttrId::ID).name(), "id");
        assert_eq!(kind.attr(AttrId::ID).role(), AttributeRole::Id);
        for attr in kind.attributes() {
            assert_eq!(kind.attr(attr.id()).path(), attr.path());
            assert_eq!(
                kind.attribute_id(attr.path()),
                Some(attr.id()),
                "{}",
                attr.path()
            );
            let children: Vec<_> = kind.children(attr.id()).map(|a| a.parent()).collect();
            assert_eq!(children.is_empty(), !attr.is_complex(), "{}", attr.path());
            assert!(children.iter().all(|parent| *parent == Some(attr.id())));
        }
    }
}

#[test]
fn ids_of_another_table_do_not_panic() {
    let user = kind("User");
    let group = kind("Group");
    let last = user.attributes().last().unwrap().id();
    assert_eq!(group.attr(last).name(), "schemas");
}

#[test]
fn roles_follow_from_the_schema() {
    let cases = [
        ("Gadget", "schemas", AttributeRole::Schemas),
        ("Gadget", "id", AttributeRole::Id),
        ("Gadget", "meta.version", AttributeRole::Meta),
        ("Gadget", "label", AttributeRole::Plain),
        ("Gadget", "parts.value", AttributeRole::Plain),
        ("Gadget", "owner", AttributeRole::Reference),
        ("Gadget", "owner.value", AttributeRole::Reference),
        ("Gadget", "crew", AttributeRole::Membership),
        ("Gadget", "crew.type", AttributeRole::Membership),
        ("Gadget", "seenBy", AttributeRole::Inverse),
        ("User", "groups.value", AttributeRole::Inverse),
        ("User", "emails", AttributeRole::Plain),
        ("User", "x509Certificates", AttributeRole::Plain),
        ("Group", "members", AttributeRole::Membership),
    ];
    for (name, path, role) in cases {
        let kind = kind(name);
        assert_eq!(kind.attr(id(&kind, path)).role(), role, "{path}");
    }
}

#[test]
fn only_the_core_schema_has_edges() {
    let edge = r#"[{"name": "value"}, {"name": "display"}, {"name": "type"},
        {"name": "$ref", "type": "reference", "referenceTypes": ["User"]}]"#;
    let attributes = format!(
        r#"[{{"name": "crew", "type": "complex", "multiValued": true, "subAttributes": {edge}}},
        {{"name": "seenBy", "type": "complex", "multiValued": true, "mutability": "readOnly",
            "subAttributes": {edge}}},
        {{"name": "owner", "type": "complex", "subAttributes": {edge}}}]"#
    );
    let schema = |id| format!(r#"{{"id": "{id}", "attributes": {attributes}}}"#);
    let [core, extension] = ["urn:example:2.0:Ship", "urn:example:2.0:Harbour"];
    let definition = format!(
        r#"{{"name": "Ship", "endpoint": "/Ships", "schema": "{core}",
        "schemaExtensions": [{{"schema": "{extension}", "required": false}}]}}"#
    );
    let registry = Registry::builder()
        .schemas_json(&format!("[{}, {}]", schema(core), schema(extension)))
        .and_then(|b| b.resource_types_json(&definition)?.build())
        .unwrap();
    let ship = registry.resource_type("Ship").unwrap();
    let role = |path: &str| ship.attr(id(ship, path)).role();
    let roles = |prefix: &str| {
        ["crew", "crew.value", "seenBy", "owner"].map(|name| role(&format!("{prefix}{name}")))
    };
    use AttributeRole::{Inverse, Membership, Plain, Reference};
    assert_eq!(roles(""), [Membership, Membership, Inverse, Reference]);
    assert_eq!(
        roles("urn:example:2.0:Harbour:"),
        [Plain, Plain, Plain, Reference]
    );
    let crew = id(ship, "urn:example:2.0:Harbour:crew");
    assert!(!ship.is_computed(crew));
    let body = serde_json::json!({extension: {"crew": [{"value": "1"}, {"display": "no value"}]}});
    let admitted = ship.admit(body.clone(), &Tolerance::DEFAULT).unwrap();
    assert_eq!(admitted.as_map()[extension], body[extension]);
}

#[test]
fn computed_attributes_are_known() {
    let gadget = gadget();
    for path in [
        "id",
        "meta",
        "meta.created",
        "crew",
        "crew.value",
        "seenBy.value",
        "owner.$ref",
    ] {
        assert!(gadget.is_computed(id(&gadget, path)), "{path}");
    }
    for path in [
        "schemas",
        "code",
        "externalId",
        "owner",
        "owner.value",
        "stats.hits",
    ] {
        assert!(!gadget.is_computed(id(&gadget, path)), "{path}");
    }
}

#[test]
fn sub_attributes_inherit_characteristics() {
    let gadget = gadget();
    let definition = |path| gadget.attr(id(&gadget, path)).definition();
    assert_eq!(definition("stats.hits").mutability, Mutability::ReadOnly);
    for path in [
        "token",
        "vault",
        "vault.value",
        "place.whisper",
        "lock.value",
    ] {
        assert_eq!(definition(path).returned, Returned::Never, "{path}");
        assert!(gadget.attr(id(&gadget, path)).is_never_returned());
    }
    assert_eq!(definition("place.zip").returned, Returned::Default);
}

#[test]
fn extensions_keep_their_order_and_spelling() {
    let gadget = gadget();
    let urns: Vec<_> = gadget
        .extensions()
        .iter()
        .map(|e| e.urn().as_str())
        .collect();
    assert_eq!(urns, [EXTRA, MORE]);
    assert!(gadget.extensions().iter().all(|e| !e.is_required()));
    assert_eq!(gadget.schema().as_str(), GADGET);
    assert_eq!(gadget.definition().name, gadget.name());
    let extension = |path: &str| gadget.attr(id(&gadget, path)).extension();
    assert_eq!(extension("urn:example:2.0:More:solo"), Some(1));
    assert_eq!(extension("label"), None);
}
