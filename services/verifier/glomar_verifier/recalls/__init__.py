"""Recalls verdicts and lists the recalls that are not acknowledged yet."""
