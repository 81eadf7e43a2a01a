"""Sealing keys by epoch: made, held in three parts, listed and destroyed."""
