"""Glomar's contract: the messages, keys, agreements and log formats that all parties share."""
