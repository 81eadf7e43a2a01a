"""Reports for oversight, counted from ledger and stream under one checkpoint."""
