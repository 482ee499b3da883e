//! The activity of a tenant: its journal, read by people.
//!
//! - [`ActivityPages`]: the changes of a tenant by connection, person, time and outcome
//! - [`CSV_HEADER`], [`csv_row`] and [`json_row`]: a change as a line of a table or a JSON object
//! - [`verify_journal`]: finds out whether entries were altered or removed
//! - [`find_person`] and [`subject_names`]: from the name of a user to its id, and back
//!
//! # Example
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::sync::Arc;
//! use scimkit_provision::{TenantAdmin, activity::{ActivityPages, ActivityQuery, verify_journal}};
//! use scimkit_store::{MemoryStore, TenantId};
//!
//! let store = Arc::new(MemoryStore::new());
//! TenantAdmin::new(store.clone()).create_tenant("acme", "Acme Inc.").await?;
//!
//! let acme = TenantId::from("acme");
//! let mut pages = ActivityPages::new(&*store, &acme, ActivityQuery::default());
//! let page = pages.next().await?.unwrap();
//! assert_eq!(page[0].outcomes(), ["tenant.created"]);
//!
//! let verified = verify_journal(&*store, &acme, None).await?;
//! assert_eq!(verified.entries, 1);
//! # Ok(())
//! # }
//! ```

mod pages;
mod person;
mod row;
mod verify;

pub use self::{
    pages::{ActivityPages, ActivityQuery},
    person::{find_person, subject_names},
    row::{CSV_HEADER, csv_row, json_row},
    verify::{VerifiedJournal, VerifyError, verify_journal},
};
