-- What callers note on their charges. NULL where they note nothing, which is most of them: such a charge is in no index for it.
ALTER TABLE charges
    ADD COLUMN external_id text CHECK (external_id <> ''),
    ADD COLUMN metadata jsonb CHECK (jsonb_typeof(metadata) = 'object' AND metadata <> '{}');
CREATE INDEX charges_by_external_id ON charges (external_id, vendor_id, id) WHERE external_id IS NOT NULL;
