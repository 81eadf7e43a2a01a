"""Synthetic people, and trials that measure the match on them. `glomar synth` and `glomar evaluate`."""
