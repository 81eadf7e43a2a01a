"""Readers of CSV, NDJSON and TOML files, with the line of each fault; and of files that are replaced at run
time."""
