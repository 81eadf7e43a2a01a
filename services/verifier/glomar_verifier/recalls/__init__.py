"""Taking verdicts back, and what of that is not yet acknowledged."""
