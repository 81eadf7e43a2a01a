"""The transparency log: leaves, tree, checkpoints, receipts, and how to check them."""
