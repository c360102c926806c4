"""Drills: one thing is broken on purpose in the running platform, and the books are checked after."""
