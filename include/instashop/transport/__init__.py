"""Moves facts: from the shop to Kafka, to the warehouse and to the items."""
