//! Ready-made [guards](crate::ChangeGuard).
//!
//! | guard | rejects |
//! |---|---|
//! | [`VerifiedDomains`] | users whose login or e-mail is in a mail domain that the customer has not verified |
//! | [`ProtectedAccounts`] | deactivating, deleting or renaming accounts such as those for emergencies |
//! | [`LastAdministrator`] | removing the last account of a kind, such as the last administrator |
//! | [`SafeAdoption`] | creates that would hand over another person's account |
//!
//! There is none for seats: [capacities](scimkit_store::engine::Policy::capacities) limit the number of resources
//! exactly, whatever way they take.

mod adoption;
mod domains;
mod protected;
mod texts;

pub use self::{
    adoption::SafeAdoption,
    domains::{DomainSource, VerifiedDomains},
    protected::{LastAdministrator, ProtectedAccounts},
};
