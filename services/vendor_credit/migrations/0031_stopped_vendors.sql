-- Vendors whose books were found broken are stopped until an operator releases them; and how far each ledger was checked.

ALTER TABLE vendors ADD COLUMN stopped_at timestamptz;
ALTER TABLE vendors ADD COLUMN stop_reason text;
ALTER TABLE vendors ADD CONSTRAINT stopped_for_a_reason CHECK ((stopped_at IS NULL) = (stop_reason IS NULL));

-- Up to here a vendor's ledger was whole when it was last checked: the next check goes on from here.
CREATE TABLE ledger_checkpoints (
    vendor_id bigint PRIMARY KEY REFERENCES vendors (id),
    seq bigint NOT NULL,
    balance bigint NOT NULL,
    hash bytea NOT NULL,
    entry_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON ledger_checkpoints TO charging_vendor_credit;
