"""Agreements: the signed file, its versions, the controls over it, and its sealing keys."""
