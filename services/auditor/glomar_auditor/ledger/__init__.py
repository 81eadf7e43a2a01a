"""The ledger on disk: journal, tiles and signed tree, how it is opened, checked, copied and archived."""
