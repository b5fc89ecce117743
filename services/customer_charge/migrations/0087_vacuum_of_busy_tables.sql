-- Tables that only grow: every statement finds its rows by a key, whatever the statistics say, and a charge is updated once. A twentieth or a
-- tenth of a small table is written in a second, so that it was vacuumed and analysed at every look of autovacuum, five seconds apart.
ALTER TABLE charges SET (autovacuum_vacuum_threshold = 50000, autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_threshold = 50000);
ALTER TABLE charge_keys SET (autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_threshold = 50000);
ALTER TABLE customer_entries SET (autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_threshold = 50000);
ALTER TABLE customer_vendors SET (autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_threshold = 50000);
ALTER TABLE charge_events SET (autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_threshold = 50000);

-- Giving back the end of the file takes a lock that every charge waits for, and the next ones need the room again.
ALTER TABLE pending_charges SET (vacuum_truncate = off);
