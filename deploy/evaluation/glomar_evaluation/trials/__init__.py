"""Trials of the match with a known truth, and the figures over their outcomes."""
