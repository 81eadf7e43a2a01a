"""Sealing keys by epoch: create them, keep them in three parts, list them, destroy them."""
