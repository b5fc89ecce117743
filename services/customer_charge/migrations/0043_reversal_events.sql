-- Events of reversals that succeeded. What they say beside the balance is on the reversals, which are final. Append-only.
CREATE TABLE reversal_events (
    vendor_id bigint NOT NULL,
    seq bigint NOT NULL,
    reversal_id uuid NOT NULL UNIQUE,
    -- what the vendor held right after its credit; NULL where that is not known
    vendor_balance bigint,
    PRIMARY KEY (vendor_id, seq)
);

GRANT SELECT, INSERT ON reversal_events TO charging_customer_charge;
