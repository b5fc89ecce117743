-- Reversals: charges taken back, in whole or in part, as records of their own that name the charge.

-- `reserved_amount` is what reversals on their way and done ones take together, `reversed_amount` what the done ones took. Both are NULL
-- for a charge that was never reversed, which is nearly every one, and then take no room. Rows of before cannot break the rule, so it need
-- not read them.
ALTER TABLE charges
    ADD COLUMN reserved_amount bigint,
    ADD COLUMN reversed_amount bigint,
    ADD CONSTRAINT reversals_within_charge CHECK (
        (reserved_amount IS NULL AND reversed_amount IS NULL)
        OR (
            state = 2 AND reserved_amount IS NOT NULL AND reversed_amount IS NOT NULL
            AND 0 <= reversed_amount AND reversed_amount <= reserved_amount AND reserved_amount <= amount
        )
    ) NOT VALID;

CREATE TABLE reversals (
    id uuid PRIMARY KEY,
    charge_id uuid NOT NULL,
    vendor_id bigint NOT NULL,
    customer_id bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    -- what the caller asked for; NULL: all that was left
    asked_amount bigint,
    reason text NOT NULL,
    state smallint NOT NULL CHECK (state BETWEEN 1 AND 3),
    failure_reason smallint,
    available bigint,
    shortfall bigint,
    principal text NOT NULL,
    created_at timestamptz NOT NULL,
    -- when the customer's entry was written
    debited_at timestamptz,
    settled_at timestamptz,
    CHECK ((state = 1) = (settled_at IS NULL)),
    CHECK ((state = 3) = (failure_reason IS NOT NULL)),
    CHECK (state = 1 OR (state = 2) = (debited_at IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX reversals_by_charge ON reversals (charge_id, id);
CREATE INDEX reversals_by_vendor ON reversals (vendor_id, id);

-- A key makes one charge or one reversal, never both. state 3: used for a reversal.
ALTER TABLE charge_keys
    ADD COLUMN reversal_id uuid,
    DROP CONSTRAINT charge_keys_state_check,
    ADD CONSTRAINT charge_keys_state_check CHECK (state IN (1, 2) OR (state = 3 AND reversal_id IS NOT NULL)) NOT VALID;

-- The truth of what is left to do. A row lives from ACCEPT to FINISH.
CREATE TABLE pending_reversals (
    reversal_id uuid PRIMARY KEY,
    charge_id uuid NOT NULL,
    vendor_id bigint NOT NULL,
    customer_id bigint NOT NULL,
    amount bigint NOT NULL,
    accepted_at timestamptz NOT NULL,
    -- true after an alarm: a person must look before the reversal goes on
    blocked boolean NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);

GRANT SELECT, INSERT, UPDATE ON reversals TO charging_customer_charge;
GRANT SELECT, INSERT, UPDATE, DELETE ON pending_reversals TO charging_customer_charge;
