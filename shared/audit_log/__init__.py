"""The audit log: what operators did, one table per service, only ever added to and chained by hashes.

An operation records its action in the transaction that performs it, as the last thing it does there: `recording.record_action`.
"""
