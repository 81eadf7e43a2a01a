"""The ledger on disk: journal, tiles, signed tree, and its check."""
