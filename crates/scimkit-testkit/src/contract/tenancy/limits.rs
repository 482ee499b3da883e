//! The limits on the number of tenants, connections and tokens.

use std::{sync::Barrier, thread};

use scimkit_store::{Stamp, TenantEntry, TenantLimits, TokenRecord};

use super::{
    TenantStoreCheck,
    tenancy_fixture::{TenancyFixture, connection, outcome, tenant, token, with_connections},
};
use crate::contract::fixture::{ensure_eq, said, second};

pub(super) const CHECKS: &[TenantStoreCheck] = &[
    TenantStoreCheck {
        name: "new_entries_beyond_a_limit_are_rejected",
        run: rejected,
    },
    TenantStoreCheck {
        name: "entries_at_a_limit_can_be_changed",
        run: changed,
    },
    TenantStoreCheck {
        name: "inactive_tokens_leave_room",
        run: unused,
    },
    TenantStoreCheck {
        name: "limit_is_exact_for_parallel_creators",
        run: parallel,
    },
];

const AT: i64 = 100;

fn limits(tenants: u64, connections: u64, tokens: u64) -> TenantLimits {
    let mut limits = TenantLimits::NONE;
    limits.tenants = tenants;
    limits.connections = connections;
    limits.tokens = tokens;
    limits
}

impl TenancyFixture<'_> {
    /// Stores entries under limits, and returns the outcome.
    fn limited(&self, entries: Vec<TenantEntry>, limits: TenantLimits) -> Result<String, String> {
        let stamp = Stamp::new(second(AT)).with_limits(limits);
        Ok(outcome(&self.run(self.writes.put(entries, stamp))?))
    }

    fn rejects(&self, entries: Vec<TenantEntry>, limits: TenantLimits) -> Result<(), String> {
        let before = self.kept()?;
        let what = format!("the answer to {entries:?}");
        ensure_eq!(self.limited(entries, limits)?, "too many", "{what}");
        ensure_eq!(self.kept()?, before, "the stored entries after a rejection");
        Ok(())
    }

    fn accepts(&self, entries: Vec<TenantEntry>, limits: TenantLimits) -> Result<(), String> {
        let what = format!("the answer to {entries:?}");
        ensure_eq!(self.limited(entries, limits)?, "done", "{what}");
        Ok(())
    }
}

fn new_token(of: (&str, &str), id: &str, digest: u8) -> TenantEntry {
    TenantEntry::Token(token(of, id, digest, 1))
}

fn rejected(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    fixture.accepts(with_connections("a", &["c1", "c2"]), limits(1, 2, 0))?;
    fixture.rejects(vec![TenantEntry::Tenant(tenant("b", 0))], limits(1, 9, 9))?;
    fixture.rejects(
        vec![TenantEntry::Connection(connection("a", "c3", 0))],
        limits(9, 2, 9),
    )?;
    fixture.rejects(vec![new_token(("a", "c1"), "1", 1)], limits(9, 9, 0))?;
    // The entries of one write count one after the other, and all or none are stored.
    fixture.rejects(with_connections("b", &["c1", "c2"]), limits(2, 1, 9))?;
    let two = |digest| {
        let first = new_token(("a", "c1"), "1", digest);
        vec![first, new_token(("a", "c1"), "2", digest + 1)]
    };
    fixture.rejects(two(1), limits(9, 9, 1))?;
    fixture.accepts(two(1), limits(9, 9, 2))?;
    // Connections count per tenant, and tokens per connection.
    fixture.accepts(with_connections("b", &["c1", "c2"]), limits(2, 2, 9))?;
    fixture.accepts(vec![new_token(("a", "c2"), "3", 3)], limits(9, 9, 1))?;
    fixture.accepts(vec![new_token(("b", "c1"), "1", 4)], limits(9, 9, 1))?;
    // Removed entries leave room.
    let answer = outcome(&fixture.remove_connection("a", "c1")?);
    ensure_eq!(answer, "done", "a removal");
    fixture.accepts(
        vec![TenantEntry::Connection(connection("a", "c3", 0))],
        limits(2, 2, 2),
    )?;
    // The error names the limit and what to do.
    let stamp = Stamp::new(second(AT)).with_limits(limits(2, 2, 2));
    let entries = vec![TenantEntry::Connection(connection("a", "c4", 0))];
    let answer = fixture.run(fixture.writes.put(entries, stamp))?;
    let expected = "the tenant has as many connections as the limit of 2 allows: remove one that is not needed, \
                    or raise the limit";
    ensure_eq!(
        answer.err().map(|e| said(&e)).as_deref(),
        Some(expected),
        "the error"
    );
    Ok(())
}

fn changed(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    // More entries than the limits allow, as after they were lowered.
    fixture.put(with_connections("a", &["c1", "c2"]))?;
    fixture.put(with_connections("b", &[]))?;
    let first = token(("a", "c1"), "1", 1, 1);
    fixture.put(vec![
        TenantEntry::Token(first.clone()),
        new_token(("a", "c1"), "2", 2),
    ])?;
    let lowered = limits(1, 1, 1);
    let stored = |mut token: TokenRecord| {
        token.revision = 1;
        token
    };
    let mut renamed = stored(first);
    renamed.name = "renamed".to_owned();
    fixture.accepts(
        vec![
            TenantEntry::Tenant(tenant("b", 1)),
            TenantEntry::Connection(connection("a", "c2", 1)),
            TenantEntry::Token(renamed.clone()),
        ],
        lowered,
    )?;
    // A token that replaces another one takes its place, even while both are valid.
    let mut replaced = renamed;
    (replaced.revision, replaced.replaced_at) = (2, Some(second(AT + 50)));
    let successor = new_token(("a", "c1"), "3", 3);
    fixture.accepts(
        vec![TenantEntry::Token(replaced), successor],
        limits(1, 1, 2),
    )?;
    fixture.rejects(vec![new_token(("a", "c1"), "4", 4)], limits(1, 1, 2))
}

fn unused(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    fixture.put(with_connections("a", &["c1", "c2"]))?;
    let one = limits(9, 9, 1);
    let ends: [fn(&mut TokenRecord); 4] = [
        |token| token.revoked_at = Some(second(AT + 50)),
        |token| token.replaced_at = Some(second(AT + 50)),
        |token| token.expires_at = Some(second(AT)),
        |token| token.expires_at = Some(second(AT - 50)),
    ];
    for (n, end) in (1..).zip(ends) {
        let mut ended = token(("a", "c1"), &n.to_string(), n, 1);
        end(&mut ended);
        fixture.accepts(vec![TenantEntry::Token(ended)], one)?;
    }
    let mut in_use = token(("a", "c1"), "5", 5, 1);
    in_use.expires_at = Some(second(AT + 1));
    fixture.accepts(vec![TenantEntry::Token(in_use)], one)?;
    fixture.rejects(vec![new_token(("a", "c1"), "6", 6)], one)?;
    // A token that becomes valid again counts again, and one that moves counts for its new connection.
    let mut expired = token(("a", "c1"), "4", 4, 1);
    expired.revision = 1;
    fixture.rejects(vec![TenantEntry::Token(expired.clone())], one)?;
    fixture.accepts(vec![new_token(("a", "c2"), "7", 7)], one)?;
    let mut moved = token(("a", "c2"), "5", 5, 1);
    moved.revision = 1;
    fixture.rejects(vec![TenantEntry::Token(moved)], one)?;
    fixture.accepts(vec![TenantEntry::Token(expired)], limits(9, 9, 2))
}

fn parallel(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    const CREATORS: u8 = 12;
    const LIMIT: u64 = 4;
    fixture.put(with_connections("a", &["c"]))?;
    // Each thread creates a tenant, a connection and a token, and the threads take turns with the two stores.
    let create = |n: u8| -> Result<[String; 3], String> {
        let store = match n % 2 {
            0 => &fixture.writes,
            _ => &fixture.reads,
        };
        let id = format!("n{n}");
        let entries = [
            TenantEntry::Tenant(tenant(&id, 0)),
            TenantEntry::Connection(connection("a", &id, 0)),
            new_token(("a", "c"), &id, n),
        ];
        let mut outcomes = Vec::new();
        for entry in entries {
            let stamp = Stamp::new(second(AT)).with_limits(limits(LIMIT, LIMIT, LIMIT));
            let put = fixture.run(store.put(vec![entry], stamp))?;
            outcomes.push(outcome(&put));
        }
        outcomes.try_into().map_err(|_| "three outcomes".to_owned())
    };
    let start = Barrier::new(CREATORS.into());
    let outcomes = thread::scope(|threads| {
        let creator = |n| {
            let (start, create) = (&start, &create);
            threads.spawn(move || {
                start.wait();
                create(n)
            })
        };
        let creators: Vec<_> = (0..CREATORS).map(creator).collect();
        let outcomes = creators.into_iter().map(|creator| {
            let outcome = creator.join();
            outcome.map_err(|_| "a creator panicked".to_owned())?
        });
        outcomes.collect::<Result<Vec<_>, String>>()
    })?;
    for (place, there) in [(0, 1), (1, 1), (2, 0)] {
        let said = outcomes.iter().filter_map(|three| three.get(place));
        let done = said.clone().filter(|said| *said == "done").count() as u64;
        let rejected = said.filter(|said| *said == "too many").count() as u64;
        let expected = (LIMIT - there, u64::from(CREATORS) - (LIMIT - there));
        ensure_eq!((done, rejected), expected, "the outcomes {outcomes:?}");
    }
    let acme = scimkit_store::TenantId::from("a");
    let kept = (
        fixture.tenants()?.len(),
        fixture.connections(&acme)?.len(),
        fixture.tokens(&acme)?.len(),
    );
    ensure_eq!(kept, (4, 4, 4), "tenants, connections and tokens");
    Ok(())
}
