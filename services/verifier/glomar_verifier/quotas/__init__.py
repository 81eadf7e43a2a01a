"""Counts of requests per person, address, officer, case and agency, and their limits."""
