"""Scores: how good captions are, and pages that show it."""
