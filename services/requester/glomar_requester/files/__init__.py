"""Request files in, result files out."""
