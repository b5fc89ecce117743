-- Charges that may repeat another one within their vendor's duplicate window. On charges NULL for all others: it takes no room there.
ALTER TABLE charges ADD COLUMN allow_duplicate boolean CHECK (allow_duplicate);
ALTER TABLE pending_charges ADD COLUMN allow_duplicate boolean NOT NULL DEFAULT false;
