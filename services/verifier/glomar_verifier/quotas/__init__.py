"""Counts of requests per person, address, officer, case and agency, by keyed hashes, and their limits."""
