//! Tenants and connections: lookups, revisions and atomicity.

use std::{collections::BTreeSet, thread};

use scimkit_store::{TenantEntry, TenantId, TenantSource};

use super::{
    TenantStoreCheck,
    tenancy_fixture::{TenancyFixture, connection, made, outcome, tenant, token, with_connections},
};
use crate::contract::fixture::{ensure, ensure_eq, second};

pub(super) const CHECKS: &[TenantStoreCheck] = &[
    TenantStoreCheck {
        name: "stored_entries_are_found",
        run: found,
    },
    TenantStoreCheck {
        name: "tenants_and_connections_are_ordered_by_id",
        run: ordered,
    },
    TenantStoreCheck {
        name: "entries_of_tenants_are_isolated",
        run: apart,
    },
    TenantStoreCheck {
        name: "unexpected_revision_is_rejected",
        run: stale,
    },
    TenantStoreCheck {
        name: "entry_without_its_parent_is_rejected",
        run: rootless,
    },
    TenantStoreCheck {
        name: "entries_are_stored_in_order_and_all_or_none",
        run: all_or_none,
    },
    TenantStoreCheck {
        name: "one_of_parallel_changes_of_a_revision_wins",
        run: parallel,
    },
    TenantStoreCheck {
        name: "unpolled_future_stores_nothing",
        run: unpolled,
    },
];

fn found(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    ensure_eq!(fixture.tenants()?, [], "tenants of an empty store");
    ensure_eq!(fixture.tenant("acme")?, None, "a tenant of an empty store");
    ensure!(
        fixture.connection("acme", "crm")?.is_none(),
        "a connection of an empty store"
    );
    fixture.put(with_connections("acme", &["crm"]))?;
    let kept = (tenant("acme", 1), connection("acme", "crm", 1));
    ensure_eq!(
        fixture.connection("acme", "crm")?,
        Some(kept),
        "the stored entries"
    );

    let mut renamed = tenant("acme", 1);
    let mut ruled = connection("acme", "crm", 1);
    renamed.name = String::new();
    renamed.source = TenantSource::Agent;
    ruled.settings = "[]".to_owned();
    fixture.put(vec![
        TenantEntry::Connection(ruled.clone()),
        TenantEntry::Tenant(renamed.clone()),
    ])?;
    (renamed.revision, ruled.revision) = (2, 2);
    ensure_eq!(fixture.tenants()?, [renamed.clone()], "the tenant, changed");
    let found = fixture.tenant("acme")?;
    ensure_eq!(found.as_ref(), Some(&renamed), "the tenant by its id");
    for id in ["ACME", "acm", "acme ", ""] {
        ensure_eq!(fixture.tenant(id)?, None, "the tenant `{id}`");
    }
    let kept = Some((renamed, ruled));
    ensure_eq!(
        fixture.connection("acme", "crm")?,
        kept,
        "the changed entries"
    );
    for (tenant, id) in [
        ("acme", "CRM"),
        ("ACME", "crm"),
        ("acme", ""),
        ("acm", "ecrm"),
    ] {
        let found = fixture.connection(tenant, id)?;
        ensure!(found.is_none(), "`{tenant}` has no connection `{id}`");
    }
    Ok(())
}

fn ordered(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    const IDS: [&str; 5] = ["b", "a", "ä", "B", "ab"];
    const ORDERED: [&str; 5] = ["B", "a", "ab", "b", "ä"];
    for id in IDS {
        fixture.put(with_connections(id, &IDS))?;
    }
    let tenants = fixture.tenants()?;
    let ids: Vec<_> = tenants.iter().map(|tenant| tenant.id.as_str()).collect();
    ensure_eq!(ids, ORDERED, "the order of tenants");
    let connections = fixture.connections(&TenantId::from("a"))?;
    let ids: Vec<_> = connections.iter().map(|c| c.id.as_str()).collect();
    ensure_eq!(ids, ORDERED, "the order of connections");
    Ok(())
}

fn apart(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    const TENANTS: [&str; 5] = ["a", "A", "ab", "a ", "b"];
    for (n, id) in (0..).zip(TENANTS) {
        fixture.put(with_connections(id, &["crm"]))?;
        fixture.put(vec![TenantEntry::Token(token((id, "crm"), "1", n, 1))])?;
    }
    for (n, id) in (0..).zip(TENANTS) {
        let own = TenantId::from(id);
        let expected = [connection(id, "crm", 1)];
        ensure_eq!(
            fixture.connections(&own)?,
            expected,
            "connections of `{id}`"
        );
        let expected = [made(token((id, "crm"), "1", n, 1))];
        ensure_eq!(fixture.tokens(&own)?, expected, "tokens of `{id}`");
        let opened = fixture.opened([n; 32])?;
        ensure_eq!(opened.tenant, tenant(id, 1), "the tenant of the token");
        ensure_eq!(
            opened.connection,
            connection(id, "crm", 1),
            "the connection of the token"
        );
    }
    let nobody = TenantId::from("");
    ensure_eq!(
        fixture.connections(&nobody)?,
        [],
        "connections of a missing tenant"
    );
    ensure_eq!(fixture.tokens(&nobody)?, [], "tokens of a missing tenant");
    // A write of one tenant does not change the revision of another.
    fixture.put(vec![TenantEntry::Tenant(tenant("a", 1))])?;
    fixture.put(vec![TenantEntry::Connection(connection("A", "crm", 1))])?;
    fixture.put(vec![TenantEntry::Connection(connection("ab", "crm", 1))])
}

fn stale(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    fixture.put(with_connections("acme", &["crm"]))?;
    let token = |revision| {
        let mut token = token(("acme", "crm"), "1", 1, 1);
        token.revision = revision;
        token
    };
    fixture.put(vec![TenantEntry::Token(token(0))])?;
    for now in 1..4 {
        fixture.used([1; 32], second(100))?;
        for (given, expected) in [(0, true), (now - 1, true), (now, false), (now + 1, true)] {
            let stale = format!("stale: W/\"{now}\"");
            let entries = [
                TenantEntry::Tenant(tenant("acme", given)),
                TenantEntry::Connection(connection("acme", "crm", given)),
                TenantEntry::Token(token(given)),
            ];
            if expected {
                let mut entries = entries.into_iter();
                entries.try_for_each(|entry| fixture.refused(vec![entry], &stale))?;
            }
        }
        fixture.put(vec![
            TenantEntry::Tenant(tenant("acme", now)),
            TenantEntry::Connection(connection("acme", "crm", now)),
            TenantEntry::Token(token(now)),
        ])?;
    }
    let twice = TenantEntry::Tenant(tenant("acme", 4));
    fixture.refused(vec![twice.clone(), twice], "stale: W/\"5\"")
}

fn rootless(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    fixture.put(with_connections("acme", &["crm"]))?;
    fixture.put(with_connections("other", &["erp"]))?;
    let entries = [
        TenantEntry::Tenant(tenant("gone", 1)),
        TenantEntry::Connection(connection("acme", "gone", 1)),
        TenantEntry::Connection(connection("nobody", "crm", 0)),
        TenantEntry::Token(token(("nobody", "crm"), "1", 1, 1)),
        TenantEntry::Token(token(("acme", "erp"), "1", 1, 1)),
        TenantEntry::Token(made(token(("acme", "crm"), "1", 1, 1))),
    ];
    for entry in entries {
        fixture.refused(vec![entry], "not found")?;
    }
    ensure!(
        fixture.open([1; 32])?.is_none(),
        "a token without its connection"
    );
    Ok(())
}

fn all_or_none(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    fixture.put(vec![])?;
    fixture.put(with_connections("acme", &["crm"]))?;
    fixture.put(vec![TenantEntry::Token(token(("acme", "crm"), "1", 1, 1))])?;
    let good = || {
        let mut entries = with_connections("new", &["erp"]);
        entries.push(TenantEntry::Token(token(("new", "erp"), "1", 2, 1)));
        entries.push(TenantEntry::Tenant(tenant("acme", 1)));
        entries.push(TenantEntry::Connection(connection("acme", "crm", 1)));
        entries
    };
    let bad = [
        (TenantEntry::Tenant(tenant("new", 0)), "stale: W/\"1\""),
        (
            TenantEntry::Connection(connection("acme", "crm", 1)),
            "stale: W/\"2\"",
        ),
        (
            TenantEntry::Connection(connection("nobody", "crm", 0)),
            "not found",
        ),
        (
            TenantEntry::Token(token(("new", "erp"), "2", 1, 1)),
            "taken: digest",
        ),
        (
            TenantEntry::Token(token(("new", "erp"), "1", 3, 1)),
            "taken: id",
        ),
    ];
    for (entry, expected) in bad {
        let mut entries = good();
        entries.push(entry.clone());
        fixture.refused(entries, expected)?;
        ensure!(
            fixture.open([2; 32])?.is_none(),
            "a token of a rejected write"
        );
    }
    let mut backwards = with_connections("new", &["erp"]);
    backwards.reverse();
    fixture.refused(backwards, "not found")?;
    fixture.put(good())?;
    ensure_eq!(
        fixture.opened([2; 32])?.token.id,
        "1",
        "the token of the write"
    );
    Ok(())
}

fn parallel(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    const THREADS: usize = 8;
    fixture.put(with_connections("acme", &["crm"]))?;
    let change = |n: usize| {
        let mut change = connection("acme", "crm", 1);
        change.name = n.to_string();
        fixture.attempt(vec![TenantEntry::Connection(change)])
    };
    let answers: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|n| scope.spawn(move || change(n)))
            .collect();
        let answers = threads.into_iter().map(|thread| thread.join());
        answers.collect()
    });
    let mut winners = BTreeSet::new();
    for (n, answer) in answers.into_iter().enumerate() {
        let answer = answer.map_err(|_| "a thread panicked")??;
        match outcome(&answer).as_str() {
            "done" => drop(winners.insert(n.to_string())),
            "stale: W/\"2\"" => {}
            other => return Err(format!("a losing change: {other}")),
        }
    }
    let kept = fixture.connections(&TenantId::from("acme"))?;
    let names: BTreeSet<_> = kept.into_iter().map(|kept| kept.name).collect();
    ensure_eq!(winners.len(), 1, "winning changes");
    ensure_eq!(names, winners, "the stored change");
    Ok(())
}

fn unpolled(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    drop(fixture.writes.put(
        with_connections("acme", &["crm"]),
        chrono::DateTime::UNIX_EPOCH.into(),
    ));
    ensure_eq!(fixture.tenants()?, [], "tenants after a dropped future");
    Ok(())
}
