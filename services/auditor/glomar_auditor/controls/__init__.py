"""Controls: officials draft a control in a file, sign it, read it in plain words and publish it."""
