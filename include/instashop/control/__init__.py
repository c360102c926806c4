"""Watches: leases, beats, supervision, the books, the doctor."""
