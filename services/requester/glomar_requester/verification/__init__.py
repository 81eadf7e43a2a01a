"""Checks of what the agency receives: verdicts, receipts and notices."""
