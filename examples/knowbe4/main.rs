//! A product for security awareness training, provisioned as its guides for Entra ID and Okta describe it.
//!
//! ```text
//! cargo run --release --example knowbe4
//! ```

#[path = "../product/mod.rs"]
mod product;
#[cfg(test)]
mod tests;

use std::error::Error;

use axum::Router;
use product::Product;

const PRODUCT: Product = Product {
    columns: include_str!("columns.sql"),
    mapping: include_str!("entra.toml"),
    name: "KnowBe4",
    organizations: &[],
    pages: |_| Router::new(),
    resource_types: include_str!("resource_types.json"),
    schemas: include_str!("schemas.json"),
    settings: r#"{"delivery": "staged", "test_mode": true, "authoritative": true, "cleared_fields": ["alias_emails"]}"#,
    tables: include_str!("product.toml"),
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    product::run(&PRODUCT).await
}
