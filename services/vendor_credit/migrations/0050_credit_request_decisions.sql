-- Credit requests in full: what the vendor says about one, cancellation and expiry, and who approved.

ALTER TABLE credit_requests ADD COLUMN note text;
ALTER TABLE credit_requests ADD COLUMN evidence_reference text;
ALTER TABLE credit_requests DROP CONSTRAINT credit_requests_state_check;
ALTER TABLE credit_requests ADD CONSTRAINT credit_requests_state_check CHECK (state BETWEEN 1 AND 6);

-- What the expiry looks for: the oldest ones that nobody has decided.
CREATE INDEX credit_requests_pending_by_age ON credit_requests (created_at) WHERE state = 1;

-- Who approved which request: one approval by each operator, the first of two as well. Append-only.
CREATE TABLE credit_request_approvals (
    request_id bigint NOT NULL REFERENCES credit_requests (id),
    approved_by text NOT NULL,
    approved_at timestamptz NOT NULL,
    PRIMARY KEY (request_id, approved_by)
);

GRANT SELECT, INSERT ON credit_request_approvals TO charging_vendor_credit;
