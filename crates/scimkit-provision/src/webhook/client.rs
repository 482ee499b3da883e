//! The default HTTP client.

use std::time::Duration;

use http::{Request, StatusCode};
use scimkit_registry::Budget;
use scimkit_store::{BoxFuture, Lane, TenantId};
use ureq::{
    Agent,
    tls::{RootCerts, TlsConfig},
};

use super::WebhookClient;
use crate::events::EventError;

/// The number of bytes of a response that are read, so that the connection can be used again.
const RESPONSE: u64 = 16 << 10;

/// Sends requests on a few threads of its own. It trusts the certificates that the system trusts.
#[derive(Debug)]
pub(super) struct UreqClient {
    agent: Agent,
    lane: Lane,
}

impl UreqClient {
    pub(super) fn new(timeout: Duration) -> Self {
        let certificates = RootCerts::PlatformVerifier;
        let tls = TlsConfig::builder().root_certs(certificates).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(timeout))
            .tls_config(tls)
            .user_agent(concat!("scimkit/", env!("CARGO_PKG_VERSION")))
            .build();
        UreqClient {
            agent: config.new_agent(),
            lane: Lane::new(),
        }
    }
}

impl WebhookClient for UreqClient {
    fn send<'a>(
        &'a self,
        tenant: &'a TenantId,
        request: Request<String>,
    ) -> BoxFuture<'a, Result<StatusCode, EventError>> {
        Box::pin(async move {
            let agent = self.agent.clone();
            let send = move || {
                let mut response = agent.run(request)?;
                let body = response.body_mut().with_config().limit(RESPONSE);
                // Only the status counts. A connection with a longer response is closed.
                drop(body.read_to_vec());
                Ok(response.status())
            };
            let sent: Result<_, ureq::Error> =
                self.lane.run(tenant, &Budget::unlimited(), send).await?;
            Ok(sent?)
        })
    }
}
