"""Counts of requests per person, address, officer, case and agency, by keyed hashes. The limits are in the
agreement; `policy` and `decisions` compare them."""
