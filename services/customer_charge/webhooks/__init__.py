"""Bringing events to webhook endpoints: what is sent, how it is signed, and to which addresses it may go."""
