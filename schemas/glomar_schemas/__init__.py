"""Glomar's contract: what every party, in any language, must agree on. Imported by all, imports none."""
