"""The search index of ledger and stream: a derived file, never evidence."""
