"""Trials of the match whose right answers are known, and the rates over their outcomes."""
