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

-- The log kept until now, in the new form. An entry's canonical form: each field as UTF-8 behind its length in bytes and a colon.
INSERT INTO audit_log (seq, done_at, actor, action, target, details, hash)
WITH RECURSIVE
old AS (
    SELECT row_number() OVER (ORDER BY id) AS seq, done_at, actor, action, subject AS target
    FROM operator_log
),
canonical AS (
    SELECT old.*, string_agg(convert_to(octet_length(convert_to(field, 'UTF8')) || ':' || field, 'UTF8'), ''::bytea ORDER BY position) AS form
    FROM old,
        unnest(ARRAY[seq::text, (extract(epoch FROM done_at) * 1000000)::bigint::text, actor, action, target, '{}'])
            WITH ORDINALITY AS part (field, position)
    GROUP BY seq, done_at, actor, action, target
),
chained AS (
    SELECT 0::bigint AS seq, decode(repeat('00', 32), 'hex') AS hash
    UNION ALL
    SELECT canonical.seq, sha256(chained.hash || canonical.form)
    FROM chained
    JOIN canonical ON canonical.seq = chained.seq + 1
)
SELECT canonical.seq, done_at, actor, action, target, '{}', hash
FROM canonical
JOIN chained ON chained.seq = canonical.seq;

UPDATE audit_log_head
SET last_seq = last.seq, last_hash = last.hash
FROM (SELECT seq, hash FROM audit_log ORDER BY seq DESC LIMIT 1) AS last;

DROP TABLE operator_log;

GRANT SELECT, INSERT ON audit_log TO charging_gateway;
GRANT SELECT, UPDATE ON audit_log_head TO charging_gateway;
