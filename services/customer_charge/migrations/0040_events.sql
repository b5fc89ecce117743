-- One feed of events for each vendor, numbered without a gap.

-- The head of each feed. Whoever appends holds its row's lock to the end of the transaction, so numbers become visible in order.
CREATE TABLE event_heads (
    vendor_id bigint PRIMARY KEY,
    last_seq bigint NOT NULL
) WITH (fillfactor = 50);

-- Events of charges, up to 64 neighbours in one row: the numbers last_seq - n + 1 to last_seq belong to the n charges, in order. Everything
-- else that their events say is on the charges, which are final. Append-only.
-- vendor_balances: what the vendor held right after each; NULL where that is not known.
CREATE TABLE charge_events (
    vendor_id bigint NOT NULL,
    last_seq bigint NOT NULL,
    charge_ids uuid[] NOT NULL,
    vendor_balances bigint[] NOT NULL,
    PRIMARY KEY (vendor_id, last_seq)
);

-- Events that the vendor ledger told of. The fact's own name is unique, so that a fact told twice is one event. Append-only.
-- kind 4: credit was confirmed, 5: the balance fell below the threshold; amount is what was posted, or the threshold.
CREATE TABLE fact_events (
    vendor_id bigint NOT NULL,
    seq bigint NOT NULL,
    kind smallint NOT NULL CHECK (kind IN (4, 5)),
    entry_seq bigint NOT NULL,
    vendor_balance bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    request_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (vendor_id, seq),
    UNIQUE (vendor_id, entry_seq, kind)
);

GRANT SELECT, INSERT, UPDATE ON event_heads TO charging_customer_charge;
GRANT SELECT, INSERT ON charge_events, fact_events TO charging_customer_charge;
