//! Tests of reading the edges of many resources together.

use rusqlite::{Connection, params};
use scimkit_registry::{AttrId, Document, Edge, ResourceType};
use scimkit_sql::reference::{EdgeRange, members_of, owners_in_range, owners_of, owners_of_page};
use scimkit_store::{Settings, StoredResource};

use super::{EdgeReader, EdgeSource};
use crate::{
    SqliteOptions,
    file::{DatabaseLocation, open_writer},
    statement::{DIALECT, steps},
};

/// Ids with and without characters that need escapes in JSON, the format in which lists are passed to SQLite.
const USERS: [&str; 9] = [
    "u\"1",
    "u\\2",
    "u\n3",
    "u\0",
    "u\u{1F600}",
    "ué",
    "u7",
    "u8",
    "u",
];
const GROUPS: [&str; 5] = ["g\"1", "g\\2", "g\0", "g", "none"];

fn database() -> Connection {
    let db = open_writer(&DatabaseLocation::Memory, &SqliteOptions::default()).unwrap();
    let row = "INSERT INTO resource (tenant, kind, id, version, created_us, modified_us, display,
                   shape, document) VALUES (?1, ?2, ?3, 1, 0, 0, ?3, '', '{}')";
    let resources = USERS.iter().map(|id| ("User", id));
    for (kind, id) in resources.chain(GROUPS[..4].iter().map(|id| ("Group", id))) {
        for tenant in ["t", "other"] {
            db.execute(row, params![tenant, kind, id]).unwrap();
        }
    }
    let edge = "INSERT INTO edge (tenant, kind, attr, owner, target, target_kind)
                VALUES (?1, 'Group', 'members', ?2, ?3, 'User')";
    for (at, group) in GROUPS[..4].iter().enumerate() {
        // The last user is in no group, and one member does not exist.
        for user in USERS[..8].iter().skip(at).chain(&["missing"]) {
            db.execute(edge, params!["t", group, user]).unwrap();
        }
        db.execute(edge, params!["other", group, "u"]).unwrap();
    }
    db
}

fn ids(edges: &[Edge]) -> Vec<&str> {
    edges.iter().map(|edge| edge.id.as_str()).collect()
}

#[test]
fn edges_read_together_equal_edges_read_one_by_one() {
    let db = database();
    let settings = Settings::new("https://sqlite.test/v2");
    let reader = EdgeReader {
        connection: &db,
        settings: &settings,
        tenant: "t",
    };
    let kind = |name| &**settings.registry.resource_type(name).unwrap();
    let attr = |kind: &ResourceType, path| -> AttrId { kind.attribute_id(path).unwrap() };
    let user = kind("User");
    let group = kind("Group");
    let lists: [(_, _, &[&str]); 2] = [
        (attr(group, "members"), group, &GROUPS),
        (attr(user, "groups"), user, &USERS),
    ];
    for (attr, kind, owners) in lists {
        let mut edges = 0;
        // An owner may be listed twice.
        let owners: Vec<_> = owners.iter().chain(&owners[..1]).copied().collect();
        for limit in [None, Some(0), Some(1), Some(3), Some(100)] {
            for after in ["", "g", "g\0", "u7", "~"] {
                let range = EdgeRange { after, limit };
                let source = EdgeSource {
                    attr,
                    documents: None,
                    kind,
                    max_bytes: u64::MAX,
                    owners: &owners,
                };
                let together = reader.edges_of_each(source, range).unwrap();
                for (owner, found) in owners.iter().zip(&together) {
                    let owners = &[*owner];
                    let source = EdgeSource { owners, ..source };
                    let alone = reader.edges_of_each(source, range).unwrap();
                    assert_eq!(alone, std::slice::from_ref(found), "{owner:?} {range:?}");
                    assert!(ids(found).is_sorted_by(|a, b| a < b));
                    assert!(found.len() <= limit.unwrap_or(100) as usize);
                    edges += found.len();
                }
            }
        }
        assert!(edges > 100, "{edges}");
        let source = EdgeSource {
            attr,
            documents: None,
            kind,
            max_bytes: u64::MAX,
            owners: &[],
        };
        let none = reader.edges_of_each(source, EdgeRange::ALL).unwrap();
        assert!(none.is_empty());
    }
}

#[test]
fn edges_of_other_types_are_not_read() {
    let db = database();
    let settings = Settings::new("https://sqlite.test/v2");
    let reader = EdgeReader {
        connection: &db,
        settings: &settings,
        tenant: "t",
    };
    let user = settings.registry.resource_type("User").unwrap();
    let groups = user.attribute_id("groups").unwrap();
    let source = EdgeSource {
        attr: groups,
        documents: None,
        kind: user,
        max_bytes: u64::MAX,
        owners: &["missing", "u7", "g"],
    };
    let found = reader.edges_of_each(source, EdgeRange::ALL).unwrap();
    let found: Vec<_> = found.iter().map(|edges| ids(edges)).collect();
    assert_eq!(found, [vec![], vec!["g", "g\0", "g\"1", "g\\2"], vec![]]);
}

#[test]
fn edges_are_read_in_the_order_of_an_index() {
    let db = database();
    let range = EdgeRange {
        after: "u",
        limit: Some(10),
    };
    let list = ("t", "Group", "members");
    for owners in [&["a"][..], &["a", "b"]] {
        for statement in [
            members_of(DIALECT, list, owners, range),
            owners_of(DIALECT, list, ("User", owners), range),
            owners_of_page(DIALECT, list, owners),
            owners_in_range(DIALECT, list, ("a", "b")),
        ] {
            let steps = steps(&db, &statement);
            let is_walk = |step: &String| {
                step.starts_with("SEARCH e")
                    && ["target>?", "owner>?", "COVERING INDEX edge_by_target"]
                        .iter()
                        .any(|walk| step.contains(walk))
            };
            assert!(steps.iter().any(is_walk), "{steps:#?}");
            let is_list = |step: &&String| step.starts_with("SCAN w") || step.starts_with("SCAN j");
            let others = steps.iter().filter(|step| !is_list(step));
            for step in others {
                assert!(
                    !step.starts_with("SCAN") && !step.contains("TEMP B-TREE"),
                    "{steps:#?}"
                );
            }
        }
    }
}

#[test]
fn statement_text_does_not_depend_on_the_length_of_a_list() {
    let of = |count: usize| {
        let owners = vec!["g"; count];
        let list = ("t", "Group", "members");
        members_of(DIALECT, list, &owners, EdgeRange::ALL).text
    };
    assert_eq!(of(2), of(1_000));
}

#[test]
fn groups_of_a_page_equal_those_of_each_user() {
    let db = database();
    let settings = Settings::new("https://sqlite.test/v2");
    let reader = EdgeReader {
        connection: &db,
        settings: &settings,
        tenant: "t",
    };
    let user = settings.registry.resource_type("User").unwrap();
    let document = Document::from_text("{}");
    let documents = [&document; USERS.len()];
    let mut in_order = USERS;
    in_order.sort_unstable();
    for owners in [&USERS[..], &in_order, &in_order[..2], &["u", "u8"]] {
        let documents = &documents[..owners.len()];
        groups_of_a_page((&reader, user), (owners, documents));
    }
}

/// Compares the groups of a page with those that are read without documents.
fn groups_of_a_page(
    (reader, user): (&EdgeReader<'_>, &ResourceType),
    (owners, documents): (&[&str], &[&Document]),
) {
    for limit in [None, Some(0), Some(1), Some(2), Some(3), Some(4), Some(100)] {
        let range = EdgeRange { after: "", limit };
        let page = EdgeSource {
            attr: user.attribute_id("groups").unwrap(),
            documents: Some(documents),
            kind: user,
            max_bytes: u64::MAX,
            owners,
        };
        let known = reader.edges_of_each(page, range).unwrap();
        let unknown = EdgeSource {
            documents: None,
            ..page
        };
        assert_eq!(known, reader.edges_of_each(unknown, range).unwrap());
        let edges = known.iter().flatten();
        assert!(edges.clone().all(|edge| edge.display.is_some()));
        assert!(edges.count() > 0 || limit == Some(0));
        // The edges of the first user are always read, those of the others only as far as they fit.
        for max_bytes in [0, 200, 400] {
            let page = EdgeSource { max_bytes, ..page };
            let few = reader.edges_of_each(page, range).unwrap();
            assert_eq!(few.first(), known.first());
            let read: Vec<_> = few.into_iter().flatten().collect();
            let all: Vec<_> = known.iter().flatten().cloned().collect();
            assert!(all.starts_with(&read), "{limit:?} {max_bytes}");
            let bytes: u64 = read.iter().map(StoredResource::edge_size).sum();
            assert!(bytes > max_bytes || read.len() == all.len());
        }
    }
}
