//! Simulated identity providers, which provision a company to any server and compare the server with what they sent.
//!
//! ```
//! use scimkit_testkit::{idp::{IdentityProvider, Simulation}, replay::HttpTarget};
//!
//! # async fn example(server: &dyn HttpTarget) -> Result<(), scimkit_testkit::idp::SimulationError> {
//! let simulation = Simulation::new(IdentityProvider::Okta, server, |time| Box::pin(async move {
//!     // Wait with the timer of the runtime, such as `tokio::time::sleep`.
//!     # drop(time);
//! }));
//! let report = simulation.with_token("the secret").run().await?;
//! assert!(report.holds(), "{report}");
//! # Ok(())
//! # }
//! ```
//!
//! An identity provider is a [dialect](IdentityProvider), the company of a seed, and a memory of what it has sent. Each
//! [`Round`] has a cycle in which it sends what has changed, and a comparison: all users and groups are read from the
//! server, and each [`Divergence`] is reported.

mod attributes;
mod compare;
mod connection;
mod courier;
mod cycle;
mod dialect;
mod directory;
mod known;
mod names;
mod report;
mod requests;
mod simulation;
mod tasks;

use dialect::Dialect;
pub use report::{Divergence, DivergenceKind, Round, SimulationReport};
pub use simulation::{Simulation, SimulationError};

/// An identity provider, in one of its dialects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdentityProvider {
    /// Microsoft Entra ID without flags: `Add` and `Replace`, one operation per attribute, booleans in strings.
    Entra,
    /// Microsoft Entra ID with the flag `aadOptscim062020`: one operation with many attributes, real booleans.
    EntraAadOptScim062020,
    /// JumpCloud.
    JumpCloud,
    /// Okta, with an application of its integration wizard: every change of a user is a PUT.
    Okta,
    /// Okta, with an application of its integration network: users are activated and deactivated by PATCH.
    OktaOin,
    /// OneLogin.
    OneLogin,
}

impl IdentityProvider {
    /// Every identity provider.
    pub const ALL: [IdentityProvider; 6] = [
        IdentityProvider::Entra,
        IdentityProvider::EntraAadOptScim062020,
        IdentityProvider::JumpCloud,
        IdentityProvider::Okta,
        IdentityProvider::OktaOin,
        IdentityProvider::OneLogin,
    ];

    fn dialect(self) -> &'static Dialect {
        match self {
            IdentityProvider::Entra => &dialect::ENTRA,
            IdentityProvider::EntraAadOptScim062020 => &dialect::ENTRA_FLAG,
            IdentityProvider::JumpCloud => &dialect::JUMPCLOUD,
            IdentityProvider::Okta => &dialect::OKTA,
            IdentityProvider::OktaOin => &dialect::OKTA_OIN,
            IdentityProvider::OneLogin => &dialect::ONELOGIN,
        }
    }
}
