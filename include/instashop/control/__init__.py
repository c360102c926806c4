"""Watches: leases, beats, intents, supervision, the books, the doctor."""
