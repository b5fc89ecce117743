"""Tests of documents that prove themselves."""
