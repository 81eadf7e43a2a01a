"""An outsider's view of a ledger: consistency over time, and evidence of a fork."""
