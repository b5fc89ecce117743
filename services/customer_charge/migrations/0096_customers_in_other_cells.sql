-- What is left behind in a cell by charges and reversals whose vendor and customer live in two. With one cell it is never written.

-- true: set aside because its customer, in another cell, is stopped. That cell's release may not have seen that it was; a sweep looks.
ALTER TABLE pending_charges ADD COLUMN awaits_release boolean NOT NULL DEFAULT false;

-- Reversals that a customer of this cell could not pay, decided under its lock: for ever, whatever it holds later. Append-only.
CREATE TABLE reversal_refusals (
    reversal_id uuid PRIMARY KEY,
    customer_id bigint NOT NULL,
    available bigint NOT NULL CHECK (available >= 0),
    shortfall bigint NOT NULL CHECK (shortfall > 0),
    created_at timestamptz NOT NULL
);

GRANT SELECT, INSERT ON reversal_refusals TO charging_customer_charge;
