-- A charge of the same customer and amount within a vendor's duplicate window is refused.

-- 0: no window, and nothing is refused or remembered.
ALTER TABLE vendors ADD COLUMN duplicate_window_seconds integer NOT NULL DEFAULT 0 CHECK (duplicate_window_seconds BETWEEN 0 AND 86400);

-- What was debited from vendors with a window. The time of a charge is in its id, so the key is the index that finds its neighbours.
-- Append-only.
CREATE TABLE guarded_debits (
    vendor_id bigint NOT NULL,
    customer_id bigint NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    charge_id uuid NOT NULL,
    PRIMARY KEY (vendor_id, customer_id, amount, charge_id)
);

GRANT SELECT, INSERT ON guarded_debits TO charging_vendor_credit;
