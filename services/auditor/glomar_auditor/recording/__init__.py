"""Stored messages on their way into the ledger, and the stream's consistency with it."""
