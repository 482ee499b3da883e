//! The statements of the reference layout, in every dialect and on SQLite.

use std::collections::BTreeSet;

use rusqlite::Connection;
use scimkit_core::message::SortOrder;
use scimkit_filter::Filter;
use scimkit_registry::{Registry, Scalar, Tolerance};
use scimkit_sql::{
    Dialect, plan,
    reference::{
        self, ConnectionRow, Counter, Counters, DeletedRow, EdgeRange, EdgeRow, Holder, IdRange,
        JournalEnd, KeyDefinitions, KeyRow, LiveRow, OwnerCondition, PageOrder, PageSelection,
        Parameter, ReferenceLayout, RowPosition, SQLITE_MIGRATIONS, Selection, State, Statement,
        TenantRow, TenantTable, TokenRow,
    },
};

/// Returns the statements for facts and row operations of writes.
fn writes(dialect: Dialect) -> Vec<Statement<'static>> {
    let ids = ["1", "2", "3"];
    let list = ("Group", "1", "members");
    let holder = Holder {
        attr: "userName",
        kind: "User",
        number: 0,
        value: Parameter::from("a"),
    };
    let key = KeyRow {
        attr: "userName",
        id: "1",
        kind: "User",
        value: Parameter::from("a"),
    };
    let live = LiveRow {
        connection: None,
        created_us: 0,
        display: None,
        document: "{}",
        id: "1",
        keys: "k",
        kind: "User",
        modified_us: 0,
        shape: "s",
        version: 1,
    };
    let deleted = DeletedRow {
        connection: None,
        created_us: 0,
        deleted_us: 0,
        document: "{}",
        id: "1",
        keys: "k",
        kind: "User",
        version: 1,
    };
    let edge = EdgeRow {
        target: "2",
        target_kind: None,
    };
    let counter = Counter {
        count: 1,
        kind: "User",
        predicate: "",
        used: 0,
    };
    let mut all = vec![
        reference::version(dialect, "t"),
        reference::version_and_counters(dialect, "t", &["User"]),
        reference::members(dialect, "t", list),
        reference::update_row(dialect, "t", &live),
        reference::remove_counter(dialect, "t", ("User", "")),
        reference::total(dialect, "t", "User"),
    ];
    let ends = [
        JournalEnd::default(),
        JournalEnd {
            after: Some(1),
            digest: Some(&[0; 32]),
        },
    ];
    for counters in [Counters::Adjusted, Counters::Unchanged] {
        let set = |end| reference::set_version(dialect, "t", (1, counters), end);
        all.extend(ends.map(set));
    }
    all.extend(reference::heads(dialect, "t", &ids));
    all.extend(reference::rows(dialect, "t", &ids));
    all.extend(reference::members_among(dialect, "t", list, &ids));
    all.extend(reference::ancestors(dialect, ("t", "members"), &ids));
    all.extend(reference::owners(dialect, "t", &ids));
    let keys = [holder.clone(), holder];
    all.extend(reference::holders(
        dialect,
        "t",
        &keys,
        KeyDefinitions::Except(&[]),
    ));
    all.extend(reference::remove_ends(dialect, ("t", "Group"), &ids));
    all.extend(reference::remove_members(dialect, "t", list, &ids));
    all.extend(reference::bump_rows(dialect, "t", (1, 2), &ids));
    all.extend(reference::insert_rows(dialect, "t", &[live, live]));
    all.extend(reference::insert_deleted_rows(dialect, "t", &[deleted]));
    all.extend(reference::insert_edges(dialect, "t", list, &[edge, edge]));
    let new = reference::insert_new_edges(dialect, "t", list, &[edge, edge]);
    all.extend(new.into_iter().map(|(statement, _)| statement));
    all.extend(reference::put_counters(dialect, "t", &[counter]));
    all.extend(reference::count_anew(dialect, "t"));
    for state in [State::Live, State::Deleted] {
        all.push(reference::remove_key(dialect, "t", state, key.clone()));
        let value = Parameter::from("b");
        all.push(reference::replace_key(
            dialect,
            "t",
            state,
            key.clone(),
            value,
        ));
        all.extend(reference::remove_all_keys(
            dialect,
            ("t", "User"),
            state,
            &ids,
        ));
        all.extend(reference::insert_keys(
            dialect,
            "t",
            state,
            std::slice::from_ref(&key),
        ));
        all.extend(reference::remove_rows(dialect, "t", state, &ids));
    }
    all
}

/// Returns the statements for pages and edges.
fn reads(dialect: Dialect) -> Vec<Statement<'static>> {
    let mut all = vec![
        reference::resource(dialect, ("t", "User"), "1"),
        reference::resource_and_import(dialect, ("t", "User"), "1"),
        reference::documents_of(dialect, ("t", "User"), &["1", "2"]),
        reference::labels_of(dialect, "t", &["1", "2"]),
        reference::owners_of_page(dialect, ("t", "Group", "members"), &["1", "2"]),
        reference::owners_in_range(dialect, ("t", "Group", "members"), ("1", "2")),
    ];
    let list = ("t", "Group", "members");
    for owners in [&["1"][..], &["1", "2"]] {
        let range = EdgeRange::ALL;
        all.push(reference::members_of(dialect, list, owners, range));
        all.push(reference::owners_of(dialect, list, ("User", owners), range));
    }
    all
}

/// Returns the statements for tenants, imports, archives and definitions.
fn others(dialect: Dialect) -> Vec<Statement<'static>> {
    let tenant = TenantRow {
        created_us: 0,
        name: "",
        revision: 1,
        source: "scim",
        tenant: "t",
    };
    let connection = ConnectionRow {
        connection: "c",
        created_us: 0,
        name: "",
        revision: 1,
        settings: "{}",
        tenant: "t",
    };
    let token = TokenRow {
        connection: "c",
        created_us: 0,
        digest: &[0; 32],
        expires_us: None,
        id: "1",
        may_groups: true,
        may_read: true,
        may_users: true,
        name: "",
        replaced_us: None,
        revision: 1,
        revoked_us: None,
        tenant: "t",
        used_us: None,
    };
    let key = ("User", "k");
    let mut all = vec![
        reference::put_tenant(dialect, &tenant),
        reference::put_connection(dialect, &connection),
        reference::put_token(dialect, &token),
        reference::tenant(dialect, "t"),
        reference::tenants(dialect),
        reference::tenant_count(dialect),
        reference::connection_count(dialect, "t"),
        reference::token_count(dialect, ("t", "c"), 1),
        reference::connection(dialect, "t", "c"),
        reference::connections(dialect, "t"),
        reference::connection_with_tenant(dialect, "t", "c"),
        reference::token(dialect, "t", "1"),
        reference::tokens(dialect, "t"),
        reference::token_by_digest(dialect, &[0; 32]),
        reference::token_exists(dialect, &[0; 32]),
        reference::token_unused_since(dialect, &[0; 32], 1),
        reference::record_token_use(dialect, &[0; 32], 1),
        reference::remove_connection(dialect, "t", "c"),
        reference::import(dialect, "t"),
        reference::import_attempt(dialect, "t", 1),
        reference::import_has_entry(dialect, "t"),
        reference::begin_import(dialect, "t"),
        reference::supersede_import(dialect, "t"),
        reference::set_import_has_entry(dialect, "t", true),
        reference::end_import(dialect, "t"),
        reference::exported_rows(dialect, "t"),
        reference::exported_deleted_rows(dialect, "t"),
        reference::exported_edges(dialect, ("t", "Group"), "1"),
        reference::any_row(dialect, "t"),
        reference::row_exists(dialect, "t", "1"),
        reference::resource_exists(dialect, ("t", "User"), "1"),
        reference::raise_version(dialect, "t", 1),
        reference::key_definition_use(dialect, "User", ("k", "t")),
        reference::other_key_definition_uses(dialect, "User", "k"),
        reference::key_definition(dialect, "User", "k"),
        reference::older_key_definition(dialect, "t", "User"),
        reference::record_key_definition_use(dialect, key, 1),
        reference::insert_key_definition(dialect, key, "", 1),
        reference::insert_older_key_definition(dialect, key, ""),
        reference::text_definition(dialect, "User", "k"),
        reference::insert_text_definition(dialect, key, ""),
        reference::set_derived(dialect, "t", "1", (None, Some("s"))),
    ];
    all.extend(reference::release_connection(dialect, "t", "c"));
    for up_to in [None, Some("9")] {
        let range = IdRange { after: "", up_to };
        all.push(reference::deleted_before(dialect, "t", range, 1));
        for state in [State::Live, State::Deleted] {
            all.push(reference::blank_rows(dialect, "t", state, range, Some(1)));
        }
    }
    all.push(reference::import_and_other_key_definitions(
        dialect,
        ("t", "User"),
        "k",
    ));
    for state in [State::Live, State::Deleted] {
        all.push(reference::last_id(dialect, "t", state, "", 100));
        all.push(reference::used_key_definitions(
            dialect,
            ("t", "User"),
            state,
        ));
        all.push(reference::has_other_key_definitions(
            dialect,
            ("t", "User"),
            state,
            "k",
        ));
        all.push(reference::documents_after(
            dialect,
            ("t", "User"),
            state,
            ("k", ""),
            100,
        ));
        all.push(reference::set_key_definition(
            dialect,
            "t",
            state,
            ("1", "k"),
        ));
    }
    for table in [
        TenantTable::CONNECTIONS,
        TenantTable::CONSUMERS,
        TenantTable::COUNTERS,
        TenantTable::DEAD_LETTERS,
        TenantTable::DELETED,
        TenantTable::DELETED_KEYS,
        TenantTable::EDGES,
        TenantTable::IMPORTS,
        TenantTable::KEYS,
        TenantTable::OLDER_KEY_DEFINITIONS,
        TenantTable::RESOURCES,
        TenantTable::TENANTS,
        TenantTable::TOKENS,
    ] {
        all.extend(reference::last_key(dialect, "t", table, 100));
        let last = vec![Parameter::from("a"); table.key_len()];
        let last = (!last.is_empty()).then_some(last);
        all.push(reference::remove_up_to(dialect, "t", table, last));
        all.push(reference::remove_up_to(dialect, "t", table, None));
    }
    all
}

/// Visits statements with a condition, in every order and from every start.
fn selections(dialect: Dialect, visit: &mut dyn FnMut(Statement<'_>)) {
    let registry = Registry::standard();
    let user = registry.resource_type("User").unwrap();
    let filter =
        r#"userName eq "a" and emails.value sw "b" and meta.created gt "2024-01-01T00:00:00Z""#;
    let filter = Filter::parse(filter).unwrap();
    let predicate = user.bind_filter(&filter, &Tolerance::DEFAULT).unwrap();
    let named = [String::from("k"), String::from("l")];
    let text = Scalar::Text(String::from("b"));
    let instant = Scalar::Instant(1);
    for state in [State::Live, State::Deleted] {
        let layout = ReferenceLayout {
            dialect,
            has_keys: true,
            registry: &registry,
            state,
            tenant: "t",
        };
        let condition = plan(user, &predicate, &layout, 3).condition.unwrap();
        for definitions in [KeyDefinitions::Except(&named), KeyDefinitions::Only(&named)] {
            let selection = Selection {
                condition: Some(&condition),
                definitions,
                kind: "User",
                state,
                is_unowned: true,
            };
            visit(reference::candidates(dialect, "t", selection));
            visit(reference::count(dialect, "t", selection));
            visit(reference::selected_documents(dialect, "t", selection));
            visit(reference::documents(dialect, ("t", "User"), definitions));
            let key = KeyRow {
                attr: "userName",
                id: "1",
                kind: "User",
                value: Parameter::from("a"),
            };
            visit(reference::other_holder(dialect, "t", key, definitions));
            if state == State::Deleted {
                continue;
            }
            let selection = PageSelection {
                condition: Some(&condition),
                definitions,
                kind: user,
                owner: OwnerCondition::Connection("c"),
                tenant: "t",
            };
            visit(reference::page_rows(dialect, selection).count());
            let orders = [
                (None, None),
                (Some("id"), None),
                (Some("userName"), Some(&text)),
                (Some("meta.created"), Some(&instant)),
            ];
            for (path, key) in orders {
                for direction in [SortOrder::Ascending, SortOrder::Descending] {
                    let order = path.map(|path| PageOrder {
                        attr: user.attribute_id(path).unwrap(),
                        direction,
                    });
                    for key in [None, key] {
                        for start in [None, Some(RowPosition { id: "1", key })] {
                            let sections =
                                reference::page_sections(dialect, selection, order, start);
                            for section in sections.unwrap() {
                                visit(section.select(Some(100), 7));
                                visit(section.select(None, 0));
                                visit(section.count());
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns the statements for journals and their consumers.
fn journals(dialect: Dialect) -> Vec<Statement<'static>> {
    vec![
        reference::journal_end(dialect, "t"),
        reference::first_entry_since(dialect, "t", 1),
        reference::entry_at(dialect, "t", (0, 9), 5),
        reference::blank_entries(dialect, "t", (0, 9)),
        reference::blank_entries_of(dialect, "t", ("User", "1")),
        reference::deleted_subjects(dialect, "t", 1, (0, 9)),
        reference::remove_entries(dialect, "t", 1),
        reference::set_journal_after(dialect, "t", 1),
        reference::skip_journal(dialect, "t"),
        reference::consumer(dialect, "t", "c"),
        reference::dead_letters(dialect, ("t", "c"), (1, 0), 9),
        reference::remove_dead_letter(dialect, ("t", "c"), (1, 0)),
        reference::put_dead_letter(
            dialect,
            "t",
            &reference::DeadLetterRow {
                at_us: 1,
                attempts: 10,
                consumer: "c",
                number: 1,
                part: 0,
                problem: "p",
            },
        ),
    ]
}

fn each(dialect: Dialect, mut visit: impl FnMut(Statement<'_>)) {
    let fixed = writes(dialect).into_iter().chain(reads(dialect));
    let fixed = fixed.chain(others(dialect)).chain(journals(dialect));
    fixed.for_each(&mut visit);
    selections(dialect, &mut visit);
}

/// Returns the numbers of the placeholders in a text; one without a number follows the largest one so far.
fn placeholders(text: &str, sign: char) -> BTreeSet<usize> {
    let mut numbers = BTreeSet::new();
    for rest in text.split(sign).skip(1) {
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        let next = numbers.last().map_or(1, |last| last + 1);
        numbers.insert(match digits {
            "" => next,
            digits => digits.parse().unwrap(),
        });
    }
    numbers
}

#[test]
fn statements_use_every_parameter_in_every_dialect() {
    for (dialect, sign) in [(Dialect::Sqlite, '?'), (Dialect::Postgres, '$')] {
        each(dialect, |statement| {
            let expected = (1..=statement.parameters.len()).collect();
            assert_eq!(
                placeholders(&statement.text, sign),
                expected,
                "{}",
                statement.text
            );
        });
    }
}

#[test]
fn postgres_statements_have_no_sqlite_syntax() {
    each(Dialect::Postgres, |statement| {
        let words = [
            "?",
            "OR FAIL",
            "INDEXED BY",
            "CROSS JOIN",
            "json_each",
            "printf",
            "random()",
            "BLOB",
        ];
        for word in words {
            assert!(!statement.text.contains(word), "{word}: {}", statement.text);
        }
    });
}

#[test]
fn sqlite_prepares_every_statement() {
    let database = Connection::open_in_memory().unwrap();
    for migration in SQLITE_MIGRATIONS {
        database.execute_batch(migration).unwrap();
    }
    let mut count = 0;
    each(Dialect::Sqlite, |statement| {
        let prepared = database.prepare(&statement.text);
        let prepared = prepared.unwrap_or_else(|e| panic!("{e}: {}", statement.text));
        assert_eq!(prepared.parameter_count(), statement.parameters.len());
        count += 1;
    });
    assert!(count > 200, "{count}");
}

/// The rows next to a removed one are rewritten later, which costs more than most changes.
#[test]
fn only_removed_texts_and_documents_are_remembered() {
    let db = Connection::open_in_memory().unwrap();
    for migration in SQLITE_MIGRATIONS {
        db.execute_batch(migration).unwrap();
    }
    db.execute_batch(&reference::remember_removed(10)).unwrap();
    // (the value of a key, how many removed rows are remembered then)
    for (value, remembered) in [("1", 0), ("2.5", 0), ("'bjensen'", 1)] {
        let insert = format!("INSERT INTO lookup_key VALUES ('t', 'User', 'a', {value}, 'u')");
        db.execute_batch(&insert).unwrap();
        db.execute_batch("DELETE FROM lookup_key").unwrap();
        let count = db.query_row("SELECT count(*) FROM removed", [], |row| {
            row.get::<_, i64>(0)
        });
        assert_eq!(count.unwrap(), remembered, "{value}");
        let has_any = db.query_row(reference::HAS_REMOVED, [], |row| row.get::<_, bool>(0));
        assert_eq!(has_any.unwrap(), remembered > 0, "{value}");
    }
}

#[test]
fn texts_do_not_vary_with_offsets_and_similar_limits() {
    let registry = Registry::standard();
    let selection = PageSelection {
        condition: None,
        definitions: KeyDefinitions::Except(&[]),
        kind: registry.resource_type("User").unwrap(),
        owner: OwnerCondition::Any,
        tenant: "t",
    };
    let rows = reference::page_rows(Dialect::Sqlite, selection);
    let text = |limit, offset| rows.select(Some(limit), offset).text;
    assert_eq!(text(101, 0), text(128, 5_000));
    assert!(text(101, 0).ends_with("LIMIT 128 OFFSET ?3"));
}
