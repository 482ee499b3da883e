//! A product for security awareness training, provisioned as its guide for Entra ID describes it: groups by country, and
//! columns that a tenant adds and maps.
//!
//! ```text
//! cargo run --release --example keepnet
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
    name: "Keepnet",
    organizations: &[],
    pages: |_| Router::new(),
    resource_types: include_str!("../product/resource_types.json"),
    schemas: "[]",
    settings: r#"{"delivery": "staged", "test_mode": true, "groups": "accept",
        "group_source": {"attribute": "addresses[type eq \"work\"].country"}}"#,
    tables: include_str!("product.toml"),
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    product::run(&PRODUCT).await
}
