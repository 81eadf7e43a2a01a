"""Synthetic people, and trials that measure the match on them."""
