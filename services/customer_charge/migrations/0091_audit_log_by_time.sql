-- Of several cells the logs are listed together, by time.
CREATE INDEX audit_log_by_time ON audit_log (done_at, seq);
