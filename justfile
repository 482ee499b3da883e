# `just` lists the commands; each is a line that can be typed without it.

# List the commands
default:
    @just --list

# Everything that must hold before a change lands
ci:
    bash .ci/run

# What takes longer: imports features minimal package types api fuzz mutants, or some of them
long *steps:
    bash .ci/long {{steps}}

# The tests of some crates: just test filter patch
test *crates:
    cargo test --all-features --locked {{ if crates == "" { "--workspace" } else { replace_regex(crates, '(\w+)', '-p scimkit-$1') } }}

# Format, and fail on lints and typing errors
lint:
    cargo fmt --all
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
    bash .ci/spelling

# Merge and sort imports, with a nightly toolchain
imports:
    cargo +nightly fmt --all -- --config imports_granularity=Crate,group_imports=StdExternalCrate

# A server to try, over an SQLite file in the current folder
serve *options:
    cargo run --release --example quickstart -- {{options}}

# The documentation, as docs.rs shows it
doc:
    RUSTDOCFLAGS="--cfg docsrs" cargo +nightly doc --workspace --all-features --no-deps --open

# Write the public API in .ci/api anew, after a change of it that is meant
api:
    UPDATE_API=1 bash .ci/long api

# Write docs/conformance.md anew
conformance:
    SCIMKIT_WRITE_DOCS=1 cargo test -p scimkit-testkit --test it page_is_up_to_date
