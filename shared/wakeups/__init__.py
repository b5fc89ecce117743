"""Hints that there is work, carried by dramatiq.

A hint says "slot N has work" and nothing else; the work itself is rows in PostgreSQL, and a sweeper finds them without any hint. So a lost,
late or doubled hint costs at most time.
"""
