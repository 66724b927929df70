//! Programs are in the `*.rs` files beside this folder.
