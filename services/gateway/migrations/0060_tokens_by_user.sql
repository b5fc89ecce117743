-- Operators see which tokens of a user are in force.
CREATE INDEX issued_tokens_by_user ON issued_tokens (user_id, issued_at, jti);
