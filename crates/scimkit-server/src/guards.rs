//! Ready-made [guards](crate::ChangeGuard).
//!
//! | guard | rejects |
//! |---|---|
//! | [`VerifiedDomains`] | users whose login or e-mail is in a mail domain that the customer has not verified |
//! | [`ProtectedAccounts`] | deactivating, deleting or renaming accounts such as those for emergencies |
//! | [`SafeAdoption`] | creates that would hand over another person's account |
//!
//! There is none for seats or for the last administrator: [capacities](scimkit_store::engine::Policy::capacities) are
//! maxima and minima of the number of resources, exact whatever way a change takes.

mod adoption;
mod domains;
mod protected;
mod texts;

pub use self::{
    adoption::SafeAdoption,
    domains::{DomainSource, VerifiedDomains},
    protected::ProtectedAccounts,
};
