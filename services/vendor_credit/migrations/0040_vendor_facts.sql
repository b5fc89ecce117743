-- A threshold on each vendor, and the facts of the ledger that the vendor's feed of events is to show.

-- 0: none.
ALTER TABLE vendors ADD COLUMN low_balance_threshold bigint NOT NULL DEFAULT 0 CHECK (low_balance_threshold >= 0);

-- An outbox: a fact is written in the transaction of its entry and removed once the feed has it. Its name is vendor, entry and kind, for ever.
-- kind 4: credit was confirmed, 5: the balance fell below the threshold; amount is what was posted, or the threshold.
CREATE TABLE fact_outbox (
    vendor_id bigint NOT NULL,
    entry_seq bigint NOT NULL,
    kind smallint NOT NULL CHECK (kind IN (4, 5)),
    balance_after bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    request_id bigint NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (vendor_id, entry_seq, kind)
);

GRANT SELECT, INSERT, DELETE ON fact_outbox TO charging_vendor_credit;
