"""Checks of what reaches the agency: verdicts, receipts and notices."""
