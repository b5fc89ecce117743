"""Tests of the HTTP/JSON door, with the services behind it faked."""
