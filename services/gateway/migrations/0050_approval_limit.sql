-- The largest credit request that an operator may approve, in minor units; none means any.

ALTER TABLE users ADD COLUMN approval_limit bigint CHECK (approval_limit >= 0);
ALTER TABLE users ADD CONSTRAINT users_approval_limit_of_operators CHECK (approval_limit IS NULL OR role = 'operator');
