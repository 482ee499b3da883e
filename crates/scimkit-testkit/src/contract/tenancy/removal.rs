//! Removed connections.

use scimkit_store::{TenantEntry, TenantId};

use super::{
    TenantStoreCheck,
    tenancy_fixture::{TenancyFixture, connection, made, outcome, tenant, token, with_connections},
};
use crate::contract::fixture::{ensure, ensure_eq};

pub(super) const CHECKS: &[TenantStoreCheck] = &[
    TenantStoreCheck {
        name: "removing_a_connection_removes_its_tokens",
        run: tokens,
    },
    TenantStoreCheck {
        name: "recreated_connection_is_a_new_one",
        run: again,
    },
];

fn tokens(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    for (n, id) in [(1, "acme"), (5, "other")] {
        fixture.put(with_connections(id, &["crm", "crm2"]))?;
        fixture.put(vec![
            TenantEntry::Token(token((id, "crm"), "1", n, 1)),
            TenantEntry::Token(token((id, "crm"), "2", n + 1, 1)),
            TenantEntry::Token(token((id, "crm2"), "3", n + 2, 1)),
        ])?;
    }
    for (of, id) in [("acme", "CRM"), ("nobody", "crm"), ("acme", "")] {
        let answer = outcome(&fixture.remove_connection(of, id)?);
        ensure_eq!(answer, "not found", "the removal of `{id}` of `{of}`");
    }
    let answer = outcome(&fixture.remove_connection("acme", "crm")?);
    ensure_eq!(answer, "done", "a removal");
    for (digest, there) in [
        (1, false),
        (2, false),
        (3, true),
        (5, true),
        (6, true),
        (7, true),
    ] {
        let found = fixture.open([digest; 32])?.is_some();
        ensure_eq!(found, there, "the token {digest} after a removal");
    }
    let acme = TenantId::from("acme");
    let left = [connection("acme", "crm2", 1)];
    ensure_eq!(
        fixture.connections(&acme)?,
        left,
        "the remaining connections"
    );
    let left = [made(token(("acme", "crm2"), "3", 3, 1))];
    ensure_eq!(fixture.tokens(&acme)?, left, "the remaining tokens");
    let tenants = [tenant("acme", 1), tenant("other", 1)];
    ensure_eq!(fixture.tenants()?, tenants, "tenants after a removal");
    let answer = outcome(&fixture.remove_connection("acme", "crm")?);
    ensure_eq!(answer, "not found", "a second removal");
    Ok(())
}

fn again(fixture: &TenancyFixture<'_>) -> Result<(), String> {
    fixture.put(with_connections("acme", &["crm"]))?;
    fixture.put(vec![
        TenantEntry::Connection(connection("acme", "crm", 1)),
        TenantEntry::Token(token(("acme", "crm"), "1", 1, 1)),
    ])?;
    let answer = outcome(&fixture.remove_connection("acme", "crm")?);
    ensure_eq!(answer, "done", "a removal");
    let change = TenantEntry::Connection(connection("acme", "crm", 2));
    fixture.refused(vec![change], "not found")?;
    fixture.put(vec![TenantEntry::Connection(connection("acme", "crm", 0))])?;
    ensure!(fixture.open([1; 32])?.is_none(), "a former token");
    ensure_eq!(
        fixture.tokens(&TenantId::from("acme"))?,
        [],
        "former tokens"
    );
    // Digest and id are free again.
    fixture.put(vec![TenantEntry::Token(token(("acme", "crm"), "1", 1, 2))])?;
    ensure_eq!(
        fixture.opened([1; 32])?.connection.revision,
        1,
        "its revision"
    );
    Ok(())
}
