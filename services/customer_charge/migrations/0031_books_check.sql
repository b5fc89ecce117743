-- Customers whose books were found broken are stopped until an operator releases them; how far the books were checked; and what is wrong.

ALTER TABLE customers ADD COLUMN stopped_at timestamptz;
ALTER TABLE customers ADD COLUMN stop_reason text;
ALTER TABLE customers ADD CONSTRAINT stopped_for_a_reason CHECK ((stopped_at IS NULL) = (stop_reason IS NULL));
-- Nearly always empty: every settlement asks it who is stopped.
CREATE INDEX customers_stopped ON customers (id) WHERE stopped_at IS NOT NULL;

-- One row: charges up to charge_id were matched, customers up to customer_id were looked at in the present round, and what came of it.
CREATE TABLE books_check (
    id smallint PRIMARY KEY CHECK (id = 0),
    charge_id uuid NOT NULL,
    customer_id bigint NOT NULL,
    checked_at timestamptz,
    stopped_vendors bigint NOT NULL,
    findings text[] NOT NULL
);
INSERT INTO books_check (id, charge_id, customer_id, stopped_vendors, findings) VALUES (0, '00000000-0000-0000-0000-000000000000', 0, 0, '{}');

-- Charges that the two services' books disagree about, for as long as they do.
CREATE TABLE mismatched_charges (
    charge_id uuid PRIMARY KEY,
    amount bigint NOT NULL CHECK (amount > 0),
    finding text NOT NULL,
    found_at timestamptz NOT NULL
);

GRANT SELECT, UPDATE ON books_check TO charging_customer_charge;
GRANT SELECT, INSERT, DELETE ON mismatched_charges TO charging_customer_charge;
