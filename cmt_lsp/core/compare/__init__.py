"""Comparisons: one question to several models, and going on from one of the answers."""
