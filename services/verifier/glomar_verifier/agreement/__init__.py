"""Commands on agreement files: check, describe, compare, redact."""
