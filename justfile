# What a working day needs. `just ci` is what a change has to pass; none of the others is needed to work here.

default:
    @just --list

# Format everything.
fmt:
    cargo fmt --all

# The lints, as strict as in CI.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

# Every test; arguments go to `cargo test`.
test *args:
    ./scripts/test {{ args }}

# The tests of the crates that use a real PostgreSQL, failing where there is none.
test-pg *args:
    REQUIRE_PG=1 cargo test --locked --all-features -p pg-harness -p backup-store {{ args }}

# The documentation, opened in a browser.
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps --locked --open

# Licences, sources and banned crates (needs cargo-deny).
deny:
    cargo deny --all-features check bans licenses sources

# What a change has to pass.
ci:
    .ci/run

# A backup from end to end against a simulated YugabyteDB Anywhere.
demo *args:
    cargo run -p backup-cli --locked -- demo {{ args }}
