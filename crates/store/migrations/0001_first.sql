-- The same text for SQLite and PostgreSQL: BIGINT and TEXT only. Ids are UUIDs in lower case, so that those of version 7
-- sort by age; digests are hexadecimal, sealed secrets Base64, times milliseconds since 1970, truths 0 or 1.

CREATE TABLE accounts (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    live_ingest BIGINT NOT NULL,
    encoding_minutes_left BIGINT,
    egress_bytes_left BIGINT
);

-- The account of those who never think of accounts.
INSERT INTO accounts (id, name, live_ingest) VALUES ('00000000-0000-0000-0000-000000000000', 'default', 1);

-- `doc` is the event; the other columns repeat what is searched for.
CREATE TABLE events (
    id TEXT NOT NULL PRIMARY KEY,
    account TEXT NOT NULL REFERENCES accounts (id),
    state TEXT NOT NULL,
    start_ms BIGINT,
    created_ms BIGINT NOT NULL,
    version BIGINT NOT NULL,
    doc TEXT NOT NULL
);
CREATE INDEX events_by_state ON events (state, id);
CREATE INDEX events_unfinished ON events (id) WHERE state <> 'ended';

CREATE TABLE credentials (
    event TEXT NOT NULL PRIMARY KEY REFERENCES events (id),
    key_digest TEXT NOT NULL UNIQUE,
    secret TEXT NOT NULL,
    issued_ms BIGINT NOT NULL
);

CREATE TABLE webhooks (
    id TEXT NOT NULL PRIMARY KEY,
    url TEXT NOT NULL,
    secret TEXT NOT NULL,
    active BIGINT NOT NULL,
    created_ms BIGINT NOT NULL
);

CREATE TABLE outbox (
    id TEXT NOT NULL PRIMARY KEY,
    event TEXT NOT NULL REFERENCES events (id),
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX outbox_by_age ON outbox (created_ms);

-- One row for each message and webhook. `due_ms` is when it is tried next: a process that takes it moves it behind the
-- time that one attempt may need, and NULL means never again. Not held to `webhooks`: deleting one must not fail the change of an
-- event that is stored at the same moment.
CREATE TABLE deliveries (
    webhook TEXT NOT NULL,
    outbox TEXT NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    attempts BIGINT NOT NULL,
    due_ms BIGINT,
    delivered_ms BIGINT,
    error TEXT,
    PRIMARY KEY (webhook, outbox)
);
CREATE INDEX deliveries_due ON deliveries (due_ms) WHERE due_ms IS NOT NULL;
CREATE INDEX deliveries_by_outbox ON deliveries (outbox);

CREATE TABLE audit (
    id TEXT NOT NULL PRIMARY KEY,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL
);

CREATE TABLE api_tokens (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    created_ms BIGINT NOT NULL,
    last_used_ms BIGINT,
    revoked_ms BIGINT
);

CREATE TABLE settings (
    name TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE sessions (
    digest TEXT NOT NULL PRIMARY KEY,
    csrf TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    expires_ms BIGINT NOT NULL
);

-- `status` and `body` are NULL while the request runs. `id` names this run of it, so that one that was given up for dead
-- cannot finish in the place of the next.
CREATE TABLE idempotency (
    actor TEXT NOT NULL,
    request_key TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL,
    status BIGINT,
    body TEXT,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (actor, request_key)
);
CREATE INDEX idempotency_by_age ON idempotency (created_ms);
