"""A request's way to its verdict: read, count, gate, match, write, publish."""
