"""The books: whether shop, Kafka, warehouse, items and live windows agree, to the event and to the cent.

A round cuts a page of `txid` below the horizon, waits until every stage has passed it, compares what is new, and keeps the verdict.
"""

from instashop.control.books.explained import accept
from instashop.control.books.round import verify
from instashop.control.books.verdict import Line, Sum, Verdict

__all__ = ["Line", "Sum", "Verdict", "accept", "verify"]
