//! The chapters of the book, with their code compiled and run.
//!
//! | chapter | for |
//! |---|---|
//! | [`scim`] | SCIM in two pages |
//! | [`quickstart`] | a running server, a user and a group in ten minutes |
//! | [`embedding`] | axum, hyper and actix-web; authentication and hooks |
//! | [`provisioning`] | tenants, connections and tokens |
//! | [`mapping`] | attribute mapping |
//! | [`own_tables`], [`stores`] | your own tables, your own stores |
//! | [`events`] | events after commit, webhooks |
//! | [`staged`], [`vendor_guides`] | staged delivery: test mode, reports, guards, exemptions; what vendors' guides expect |
//! | [`entra`], [`okta`], [`onelogin`], [`jumpcloud`] | one identity provider each |
//! | [`simulation`] | simulated identity providers, which report where a server differs from what they sent |
//! | [`operations`], [`security`], [`journal`], [`performance`] | in production |
//! | [`command_line`], [`limits`], [`tolerances`], [`conformance`], [`comparison`] | reference |

/// A chapter, whose links to other chapters lead to their modules.
macro_rules! chapter {
    ($name:ident, $file:literal) => {
        // The first definition of a link counts, so these go before those of the file.
        #[doc = include_str!("guide/links.md")]
        #[doc = ""]
        #[doc = include_str!(concat!("../guide/", $file))]
        pub mod $name {}
    };
}

chapter!(command_line, "command-line.md");
chapter!(comparison, "comparison.md");
chapter!(conformance, "conformance.md");
chapter!(embedding, "embedding.md");
chapter!(entra, "entra.md");
chapter!(events, "events.md");
chapter!(journal, "journal.md");
chapter!(jumpcloud, "jumpcloud.md");
chapter!(limits, "limits.md");
chapter!(mapping, "mapping.md");
chapter!(okta, "okta.md");
chapter!(onelogin, "onelogin.md");
chapter!(operations, "operations.md");
chapter!(own_tables, "own-tables.md");
chapter!(performance, "performance.md");
chapter!(provisioning, "provisioning.md");
chapter!(quickstart, "quickstart.md");
chapter!(scim, "scim.md");
chapter!(security, "security.md");
chapter!(simulation, "simulation.md");
chapter!(staged, "staged.md");
chapter!(stores, "stores.md");
chapter!(tolerances, "tolerances.md");
chapter!(vendor_guides, "vendor-guides.md");
