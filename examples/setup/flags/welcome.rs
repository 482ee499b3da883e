//! The text for the administrator of an identity provider.

use std::net::IpAddr;

use hyper::Uri;

use super::access::TokenSource;

/// The number of characters of a random token that can't be guessed.
const LONG_ENOUGH: usize = 32;

/// Prints what an administrator needs to connect an identity provider.
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is the program's output"
)]
pub(crate) fn print(base_url: &str, token: &TokenSource) {
    println!("{}", text(base_url, token));
    if let Some(warning) = warning(token) {
        eprintln!("warning: {warning}");
    }
}

fn text(base_url: &str, token: &TokenSource) -> String {
    let (shown, note) = match token {
        TokenSource::Created(token) => (token.reveal(), "shown only once"),
        TokenSource::CreatedForThisRun(token) => (token.reveal(), "for this run"),
        TokenSource::Given(_) => ("SECRET", "the value of --token, for this run"),
        TokenSource::Inactive => (
            "TOKEN",
            "revoked or expired; `scimkit token create` creates another",
        ),
        TokenSource::Stored => (
            "TOKEN",
            "shown at the first start; `scimkit token create` creates another",
        ),
    };
    let reach = if is_public_https(base_url) {
        ""
    } else {
        "A cloud identity provider can't use this URL: it needs a public https URL with a certificate of a public
  authority. Put a reverse proxy or a tunnel with TLS before this server, and start it again with
  --public-url https://YOUR-HOST

"
    };
    format!(
        "SCIM endpoint is up.

  Tenant URL    {base_url}
  Secret token  {shown}   ({note})

Create a first user:
  curl -H 'Authorization: Bearer {shown}' -H 'Content-Type: application/scim+json' '{base_url}/Users' \\
    -d '{USER}'
List the users:
  curl -H 'Authorization: Bearer {shown}' '{base_url}/Users'

{reach}Microsoft Entra ID: Enterprise applications > your application > Provisioning >
  Admin Credentials: paste Tenant URL and Secret Token, then Test Connection.
Okta: Applications > your application > Provisioning > Integration: paste the tenant
  URL as SCIM connector base URL, `userName` as unique identifier, authentication
  mode HTTP Header, and the token. Then Test Connector Configuration.

Press Ctrl-C to stop."
    )
}

/// The user of the example.
const USER: &str = r#"{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"bjensen@example.com"}"#;

/// Returns a warning about a token that could be guessed.
fn warning(token: &TokenSource) -> Option<String> {
    let TokenSource::Given(length @ ..LONG_ENOUGH) = token else {
        return None;
    };
    Some(format!(
        "--token is short ({length} characters) and may be guessed: use at least {LONG_ENOUGH} random characters, \
         or leave it out, and the server creates one"
    ))
}

/// Returns whether a cloud identity provider can reach a URL.
fn is_public_https(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    let is_public = match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(ip)) => {
            !(ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_unspecified())
        }
        Ok(IpAddr::V6(ip)) => {
            !(ip.is_loopback()
                || ip.is_unique_local()
                || ip.is_unicast_link_local()
                || ip.is_unspecified())
        }
        Err(_) => {
            let local = [".localhost", ".local", ".internal"];
            host.contains('.') && !local.iter().any(|suffix| host.ends_with(suffix))
        }
    };
    uri.scheme_str() == Some("https") && is_public
}

#[cfg(test)]
mod tests {
    use scimkit::Token;

    use super::{TokenSource, USER, is_public_https, text, warning};

    #[test]
    fn text_has_a_command_that_creates_a_user() {
        let token = Token::generate().unwrap();
        let secret = token.reveal().to_owned();
        let text = text(
            "https://scim.example.com/scim/v2",
            &TokenSource::Created(token),
        );
        let lines: Vec<_> = text.lines().map(str::trim).collect();
        let at = lines
            .iter()
            .position(|line| *line == "Create a first user:");
        let command = lines.get(at.unwrap() + 1..).unwrap();
        let [first, second, ..] = command else {
            unreachable!("the text continues after the heading");
        };
        assert!(
            first.contains(&format!("'Authorization: Bearer {secret}'")),
            "{first}"
        );
        assert!(
            first.ends_with("'https://scim.example.com/scim/v2/Users' \\"),
            "{first}"
        );
        assert_eq!(*second, format!("-d '{USER}'"));
        serde_json::from_str::<serde_json::Value>(USER).unwrap();
        assert!(!text.contains("--public-url"), "{text}");
    }

    #[test]
    fn text_explains_the_needs_of_cloud_identity_providers() {
        let local = text("http://127.0.0.1:8080/scim/v2", &TokenSource::Stored);
        assert!(
            local.contains("start it again with\n  --public-url https://"),
            "{local}"
        );
    }

    #[test]
    fn public_urls_are_distinguished_from_local_ones() {
        for (url, expected) in [
            ("https://scim.example.com/scim/v2", true),
            ("https://93.184.216.34/scim/v2", true),
            ("https://[2606:2800:220:1::1]/scim/v2", true),
            ("http://scim.example.com/scim/v2", false),
            ("https://localhost:8443/scim/v2", false),
            ("https://app.localhost/scim/v2", false),
            ("https://intranet/scim/v2", false),
            ("https://printer.local/scim/v2", false),
            ("https://127.0.0.1/scim/v2", false),
            ("https://10.1.2.3/scim/v2", false),
            ("https://169.254.1.1/scim/v2", false),
            ("https://[::1]/scim/v2", false),
            ("https://[fd00::1]/scim/v2", false),
        ] {
            assert_eq!(is_public_https(url), expected, "{url}");
        }
    }

    #[test]
    fn short_token_causes_a_warning() {
        for (length, expected) in [(1, true), (31, true), (32, false)] {
            assert_eq!(warning(&TokenSource::Given(length)).is_some(), expected);
        }
        assert_eq!(warning(&TokenSource::Stored), None);
    }
}
