"""Warming: writing a session's cache before its question comes, keeping it, and not writing the same thing twice."""
