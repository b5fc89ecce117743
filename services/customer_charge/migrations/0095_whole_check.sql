-- What the last check of everything found that no entry of `mismatched_charges` and `mismatched_reversals` stands for. The check of each minute
-- writes `books_check` and leaves this row alone.
CREATE TABLE whole_check (
    id smallint PRIMARY KEY CHECK (id = 0),
    checked_at timestamptz,
    findings text[] NOT NULL
);
INSERT INTO whole_check (id, findings) VALUES (0, '{}');

GRANT SELECT, UPDATE ON whole_check TO charging_customer_charge;
