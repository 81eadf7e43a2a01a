"""Agreements, their versions, the controls over them, and the keys that they name."""
