"""The index: what the ledger and the stream hold, made searchable. Derived, never evidence."""
