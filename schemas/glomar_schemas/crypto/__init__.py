"""Signatures (Ed25519), signed envelopes (DSSE) and sealing (HPKE)."""
