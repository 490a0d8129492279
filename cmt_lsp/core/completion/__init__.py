"""Completion: answering a conversation that somebody else keeps, by the same money, cache and guard as every turn."""
