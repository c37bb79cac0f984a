"""Reads a fleet from a file."""
