-- The check of each minute looks at reversals too: how far they were matched, and those that the two services' books disagree about.

ALTER TABLE books_check ADD COLUMN reversal_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000';

CREATE TABLE mismatched_reversals (
    reversal_id uuid PRIMARY KEY,
    amount bigint NOT NULL CHECK (amount > 0),
    finding text NOT NULL,
    found_at timestamptz NOT NULL
);

GRANT SELECT, INSERT, DELETE ON mismatched_reversals TO charging_customer_charge;
