"""`glomar`: the whole of Glomar on one machine, for trying it, for tests and for a single office."""
