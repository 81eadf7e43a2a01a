"""How often the matching is right: trials with a known truth, and the figures over their outcomes.
`glomar-verifier register evaluate` runs it; nothing of it serves."""
