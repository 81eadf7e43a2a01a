"""The oversight body's service: records every message in the ledger and releases verdicts to the agencies."""
