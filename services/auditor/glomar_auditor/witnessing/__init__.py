"""Cosignatures by witnesses (c2sp.org/tlog-witness)."""
