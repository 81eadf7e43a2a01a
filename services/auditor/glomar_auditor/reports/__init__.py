"""Reports for oversight: counted from ledger and stream, resting on one checkpoint."""
