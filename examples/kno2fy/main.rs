//! A product for several organizations, each with a connection, a token and a sign-in of its own, provisioned as the guide
//! of Kno2fy for Entra ID describes it.
//!
//! ```text
//! cargo run --release --example kno2fy
//! ```

#[path = "../product/mod.rs"]
mod product;
#[cfg(test)]
mod tests;

use std::error::Error;

use axum::{Router, extract::Path, http::StatusCode, routing::get};
use product::{Product, Tables};

const PRODUCT: Product = Product {
    columns: include_str!("columns.sql"),
    mapping: include_str!("entra.toml"),
    name: "Kno2fy",
    organizations: &["clinic"],
    pages,
    resource_types: include_str!("../product/resource_types.json"),
    schemas: "[]",
    settings: r#"{"delivery": "staged", "test_mode": true}"#,
    tables: include_str!("product.toml"),
};

/// The end of a sign-in: a real product takes the organization from the issuer of the token, and the address from its
/// claims.
fn pages(tables: Tables) -> Router {
    const PERSON: &str =
        "SELECT id FROM person WHERE organization = ?1 AND email_key = ?2 AND archived = 0";
    let sign_in = async move |Path((organization, email)): Path<(String, String)>| {
        let key = [&organization, &email.to_lowercase()];
        let person = tables.with(|db| db.query_row(PERSON, key, |row| row.get::<_, String>(0)));
        person.map_err(|_| {
            (
                StatusCode::FORBIDDEN,
                "you have no access to this organization",
            )
        })
    };
    Router::new().route("/product/sign-in/{organization}/{email}", get(sign_in))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    product::run(&PRODUCT).await
}
