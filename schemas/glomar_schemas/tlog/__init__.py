"""The transparency log's formats: leaves, tree, checkpoints, receipts, and how to check them."""
