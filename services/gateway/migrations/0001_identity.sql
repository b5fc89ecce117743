-- Users, the tokens they were given, the keys that sign them, and what operators did.

CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username text NOT NULL UNIQUE CHECK (char_length(username) BETWEEN 1 AND 150),
    password_hash text NOT NULL,
    role text NOT NULL CHECK (role IN ('operator', 'partner', 'service')),
    vendor_ids bigint[] NOT NULL,
    limit_requests bigint CHECK (limit_requests > 0),
    limit_window_seconds bigint CHECK (limit_window_seconds > 0),
    token_version integer NOT NULL CHECK (token_version > 0),
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    CHECK (role <> 'operator' OR vendor_ids = '{}'),
    CHECK ((limit_requests IS NULL) = (limit_window_seconds IS NULL))
);

-- The trust state lists these few on every refresh.
CREATE INDEX users_withdrawn ON users (id) WHERE token_version <> 1;

-- The key with the highest number signs. Rows are never changed: a rotation is a new row, and two gateways that make the same number at
-- once meet at the primary key.
CREATE TABLE signing_keys (
    number integer PRIMARY KEY CHECK (number > 0),
    kid text NOT NULL UNIQUE,
    public_key bytea NOT NULL CHECK (octet_length(public_key) = 32),
    encrypted_private_key bytea NOT NULL,
    created_at timestamptz NOT NULL
);

-- Every token that was given out, without the token itself. It tells when an old key may be forgotten and a revocation has had its time.
CREATE TABLE issued_tokens (
    jti uuid PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,
    kind text NOT NULL CHECK (kind IN ('login', 'api')),
    label text NOT NULL,
    kid text NOT NULL REFERENCES signing_keys (kid),
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > issued_at)
);

CREATE INDEX issued_tokens_by_key ON issued_tokens (kid, expires_at);

CREATE TABLE revoked_tokens (
    jti uuid PRIMARY KEY REFERENCES issued_tokens,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz NOT NULL
);

CREATE INDEX revoked_tokens_by_expiry ON revoked_tokens (expires_at);

-- Who did what to whom, written in the transaction of the deed.
CREATE TABLE operator_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    done_at timestamptz NOT NULL,
    actor text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL
);

-- The gateway may disable a user and nothing else; all other tables only grow.
GRANT SELECT, INSERT ON users, signing_keys, issued_tokens, revoked_tokens, operator_log TO charging_gateway;
GRANT UPDATE (disabled_at, token_version) ON users TO charging_gateway;
