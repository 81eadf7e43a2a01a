"""Readers of CSV and TOML files that name the line of each fault, and of files that change."""
