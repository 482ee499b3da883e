//! Tokens: lookups, unique digests and ids, and changes that a write can't revert.

use std::thread;

use scimkit_store::{TenantEntry, TenantId, TokenRecord, TokenScopes};

use super::{
    TenantStoreCheck,
    tenancy_fixture::{TenancyFixture, made, outcome, token, with_connections},
};
use crate::contract::fixture::{ensure, ensure_eq, second};

pub(super) const CHECKS: &[TenantStoreCheck] = &[
    TenantStoreCheck {
        name: "token_is_found_by_its_digest",
        run: opened,
    },
    TenantStoreCheck {
        name: "tokens_are_ordered_by_age",
        run: ordered,
    },
    TenantStoreCheck {
        name: "token_digests_and_ids_are_unique",
        run: taken,
    },
    TenantStoreCheck {
        name: "revoking_a_token_is_permanent",
        run: revoked,
    },
    TenantStoreCheck {
        name: "replacing_a_token_is_permanent",
        run: replaced,
    },
    TenantStoreCheck {
        name: "one_of_parallel_replacements_and_revocations_wins",
        run: parallel,
    },
    TenantStoreCheck {
        name: "latest_token_use_is_recorded",
        run: used,
    },
];

/// Stores a token, and raises its revision to the stored one.
fn put(fixture: &TenancyFixture<'_>, token: &mut TokenRecord) -> Result<(), String> {
    fixture.put(vec![TenantEntry::Token(token.clone())])?;
    token.revision += 1;
    Ok(())
}

fn opened(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    fixture.put(with_connections("acme", &["crm", "erp"]))?;
    ensure!(
        fixture.open([1; 32])?.is_none(),
        "a token before it is created"
    );
    let mut token = token(("acme", "crm"), "1", 1, 10);
    put(fixture, &mut token)?;
    ensure_eq!(
        fixture.opened([1; 32])?.token,
        token,
        "a token as it was created"
    );
    // Each fact is a separate field, and invalid tokens are found, too.
    let changes: [fn(&mut TokenRecord); 11] = [
        |token| token.name = "nightly".to_owned(),
        |token| token.expires_at = Some(second(5)),
        |token| token.expires_at = Some(second(500)),
        |token| token.expires_at = None,
        |token| token.scopes = TokenScopes::NONE,
        |token| token.scopes.groups = true,
        |token| (token.scopes.groups, token.scopes.read) = (false, true),
        |token| (token.scopes.read, token.scopes.users) = (false, true),
        |token| token.connection = "erp".into(),
        |token| token.replaced_at = Some(second(30)),
        |token| token.revoked_at = Some(second(20)),
    ];
    for (n, change) in changes.iter().enumerate() {
        change(&mut token);
        put(fixture, &mut token)?;
        let opened = fixture.opened([1; 32])?;
        ensure_eq!(opened.token.name, token.name, "the name, change {n}");
        ensure_eq!(
            opened.token.expires_at,
            token.expires_at,
            "its end, change {n}"
        );
        ensure_eq!(
            opened.token.replaced_at,
            token.replaced_at,
            "replaced, change {n}"
        );
        ensure_eq!(
            opened.token.revoked_at,
            token.revoked_at,
            "revoked, change {n}"
        );
        ensure_eq!(opened.token.scopes, token.scopes, "scopes, change {n}");
        ensure_eq!(opened.token, token, "a token after change {n}");
        ensure_eq!(opened.connection.id, token.connection, "its connection");
        let tokens = fixture.tokens(&token.tenant)?;
        ensure_eq!(tokens, [token.clone()], "tokens after change {n}");
    }
    let mut other = [1; 32];
    if let Some(last) = other.last_mut() {
        *last = 0;
    }
    ensure!(
        fixture.open(other)?.is_none(),
        "a digest that is almost the same"
    );
    Ok(())
}

fn ordered(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    fixture.put(with_connections("acme", &["crm", "erp"]))?;
    let made = [
        ("c", 3, "crm"),
        ("z", 1, "erp"),
        ("b", 3, "erp"),
        ("a", 2, "crm"),
    ];
    for (digest, (id, at, connection)) in (0..).zip(made) {
        put(fixture, &mut token(("acme", connection), id, digest, at))?;
    }
    let tokens = fixture.tokens(&TenantId::from("acme"))?;
    let ids: Vec<_> = tokens.iter().map(|token| token.id.as_str()).collect();
    ensure_eq!(ids, ["z", "a", "b", "c"], "the order of tokens");
    Ok(())
}

fn taken(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    fixture.put(with_connections("acme", &["crm", "erp"]))?;
    fixture.put(with_connections("other", &["crm"]))?;
    put(fixture, &mut token(("acme", "crm"), "1", 1, 1))?;
    put(fixture, &mut token(("acme", "crm"), "2", 2, 1))?;
    let refused = [
        (token(("acme", "crm"), "3", 1, 1), "taken: digest"),
        (token(("acme", "erp"), "3", 1, 1), "taken: digest"),
        (token(("other", "crm"), "1", 1, 1), "taken: digest"),
        (token(("acme", "crm"), "1", 3, 1), "taken: id"),
        (token(("acme", "crm"), "1", 2, 1), "taken: id"),
    ];
    for (token, expected) in refused {
        fixture.refused(vec![TenantEntry::Token(token)], expected)?;
    }
    ensure!(fixture.open([3; 32])?.is_none(), "a rejected token");
    ensure_eq!(
        fixture.opened([1; 32])?.token.id,
        "1",
        "the owner of the digest"
    );
    // An id is unique only within its tenant.
    put(fixture, &mut token(("other", "crm"), "1", 3, 1))
}

fn revoked(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    fixture.put(with_connections("acme", &["crm"]))?;
    let mut token = token(("acme", "crm"), "1", 1, 1);
    put(fixture, &mut token)?;
    let kept = [
        (None, None),
        (Some(second(9)), Some(second(9))),
        (None, Some(second(9))),
        (Some(second(10)), Some(second(9))),
        (Some(second(5)), Some(second(5))),
        (Some(second(9)), Some(second(5))),
    ];
    for (given, expected) in kept {
        token.revoked_at = given;
        put(fixture, &mut token)?;
        let opened = fixture.opened([1; 32])?;
        ensure_eq!(opened.token.revoked_at, expected, "revoked after {given:?}");
        let good = opened.token.is_valid_at(second(1));
        ensure_eq!(good, expected.is_none(), "good after {given:?}");
    }
    Ok(())
}

fn replaced(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    fixture.put(with_connections("acme", &["crm"]))?;
    let mut token = token(("acme", "crm"), "1", 1, 1);
    put(fixture, &mut token)?;
    for (given, expected) in [(9, 9), (10, 9), (5, 5), (9, 5)] {
        token.replaced_at = Some(second(given));
        put(fixture, &mut token)?;
        let opened = fixture.opened([1; 32])?.token;
        ensure_eq!(opened.replaced_at, Some(second(expected)), "after {given}");
        let good = [expected - 1, expected].map(|at| opened.is_valid_at(second(at)));
        ensure_eq!(good, [true, false], "good before {expected}, and then");
    }
    token.replaced_at = None;
    put(fixture, &mut token)?;
    let kept = fixture.opened([1; 32])?.token.replaced_at;
    ensure_eq!(kept, Some(second(5)), "replaced after a write without it");
    Ok(())
}

/// Many threads replace a token, or some revoke it, at the same time.
fn parallel(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    const ROUNDS: u8 = 8;
    const THREADS: u8 = 6;
    fixture.put(with_connections("acme", &["crm"]))?;
    for round in 0..ROUNDS {
        let old = made(token(("acme", "crm"), &round.to_string(), round, 1));
        let mut new = old.clone();
        new.revision = 0;
        fixture.put(vec![TenantEntry::Token(new)])?;
        let digest = |thread: u8| 100 + round * THREADS + thread;
        // In every second round the first thread revokes the token, and the others replace it.
        let attempt = |thread: u8| {
            let mut old = old.clone();
            if thread == 0 && round % 2 == 0 {
                old.revoked_at = Some(second(2));
                return fixture.attempt(vec![TenantEntry::Token(old)]);
            }
            old.replaced_at = Some(second(1_000));
            let id = format!("{round} {thread}");
            let next = token(("acme", "crm"), &id, digest(thread), 1);
            fixture.attempt(vec![TenantEntry::Token(next), TenantEntry::Token(old)])
        };
        let answers: Vec<_> = thread::scope(|scope| {
            let attempt = &attempt;
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| scope.spawn(move || attempt(thread)))
                .collect();
            threads.into_iter().map(|thread| thread.join()).collect()
        });
        let mut winners = Vec::new();
        for (thread, answer) in (0..).zip(answers) {
            let answer = answer.map_err(|_| "a thread panicked")??;
            match outcome(&answer).as_str() {
                "done" => winners.push(thread),
                "stale: W/\"2\"" => {}
                other => return Err(format!("a losing change: {other}")),
            }
        }
        ensure_eq!(winners.len(), 1, "winning changes of one revision");
        let kept = fixture.opened([round; 32])?.token;
        for thread in 0..THREADS {
            let there = fixture.open([digest(thread); 32])?.is_some();
            let won = winners.contains(&thread) && kept.replaced_at.is_some();
            ensure_eq!(there, won, "the token of {thread}, with {kept:?}");
        }
        let was = (kept.revoked_at.is_some(), kept.replaced_at.is_some());
        let revoked = round % 2 == 0 && winners == [0];
        ensure_eq!(was, (revoked, !revoked), "revoked, and replaced");
    }
    Ok(())
}

fn used(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    fixture.put(with_connections("acme", &["crm"]))?;
    let mut first = token(("acme", "crm"), "1", 1, 1);
    let mut other = token(("acme", "crm"), "2", 2, 1);
    put(fixture, &mut first)?;
    put(fixture, &mut other)?;
    for (at, latest) in [(100, 100), (100, 100), (50, 100), (300, 300), (299, 300)] {
        fixture.used([1; 32], second(at))?;
        let noted = fixture.opened([1; 32])?.token.last_used;
        ensure_eq!(noted, Some(second(latest)), "the last use after {at}");
    }
    let noted = fixture.opened([2; 32])?.token.last_used;
    ensure_eq!(noted, None, "the last use of another token");
    // A write without a use does not clear it, and a write with a later use records that.
    let mut renamed = first;
    renamed.name = "nightly".to_owned();
    for (given, latest) in [
        (None, 300),
        (Some(second(200)), 300),
        (Some(second(400)), 400),
    ] {
        renamed.last_used = given;
        put(fixture, &mut renamed)?;
        let noted = fixture.opened([1; 32])?.token;
        ensure_eq!(
            noted.last_used,
            Some(second(latest)),
            "the last use after a write"
        );
        ensure_eq!(noted.name, "nightly", "the name that was written");
    }
    fixture.used([9; 32], second(100))?;
    ensure!(
        fixture.open([9; 32])?.is_none(),
        "a token created by its use"
    );
    Ok(())
}
