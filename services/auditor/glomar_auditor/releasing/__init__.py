"""Verdicts on their way from the ledger to the agency: holds, releases, notices, recalls."""
