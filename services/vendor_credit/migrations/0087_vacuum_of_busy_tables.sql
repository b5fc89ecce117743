-- Tables that only grow: every statement finds its rows by a key, whatever the statistics say. A tenth of a small table is written in a second,
-- so that it was vacuumed and analysed at every look of autovacuum, five seconds apart.
ALTER TABLE vendor_entries SET (autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_threshold = 50000);
ALTER TABLE debit_decisions SET (autovacuum_vacuum_insert_threshold = 50000, autovacuum_analyze_threshold = 50000);
