"""Runs the whole platform on this machine, without containers."""
