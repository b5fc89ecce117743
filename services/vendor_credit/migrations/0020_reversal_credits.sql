-- Reversed charges whose vendor got its credit back: one row per reversal id, for ever. Append-only.
CREATE TABLE reversal_credits (
    reversal_id uuid PRIMARY KEY,
    vendor_id bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    credited_at timestamptz NOT NULL
);

GRANT SELECT, INSERT ON reversal_credits TO charging_vendor_credit;
