-- Make every cell a distributed schema of its own, on the worker with the most room: `psql "$DATABASE_URL" -f distribute.sql`, as the
-- administrator, on the coordinator, right after `python -m shared.database_setup` and before the first row. Again it changes nothing.
SELECT citus_schema_distribute(namespace.oid::regnamespace)
FROM pg_namespace AS namespace
WHERE namespace.nspname ~ '^(vendor_credit|customer_charge)_[0-9]{2}$'
  AND NOT EXISTS (SELECT FROM citus_schemas WHERE citus_schemas.schema_name = namespace.oid::regnamespace)
ORDER BY namespace.nspname;
