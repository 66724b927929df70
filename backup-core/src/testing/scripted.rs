//! A strategy that answers what a test says.
