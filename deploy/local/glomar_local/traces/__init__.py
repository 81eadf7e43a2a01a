"""Traces of a system on one machine: received, stored, printed as a tree."""
