//! Runs events: rules, store, broadcasts and what the public sees, joined.
