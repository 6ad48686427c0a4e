//! What weir remembers: events, credentials, tokens and what is to be told, in SQLite or PostgreSQL.
