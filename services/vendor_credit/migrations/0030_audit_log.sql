-- What operators did. Append-only and chained: an entry's hash covers its content and the hash before it (shared/audit_log).
CREATE TABLE audit_log (
    seq bigint PRIMARY KEY CHECK (seq > 0),
    done_at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    -- A JSON object as the text that was hashed.
    details text NOT NULL,
    hash bytea NOT NULL
);
CREATE INDEX audit_log_by_target ON audit_log (target, seq);

-- One row: what the last entry left behind. Its lock puts the entries in a row; apart from the log, it shows when the log's end is cut off.
CREATE TABLE audit_log_head (
    id smallint PRIMARY KEY CHECK (id = 0),
    last_seq bigint NOT NULL,
    last_hash bytea NOT NULL
);
INSERT INTO audit_log_head (id, last_seq, last_hash) VALUES (0, 0, decode(repeat('00', 32), 'hex'));

GRANT SELECT, INSERT ON audit_log TO charging_vendor_credit;
GRANT SELECT, UPDATE ON audit_log_head TO charging_vendor_credit;
