"""What a coordinator has written down about a transaction is read in both of Kafka's shapes."""

import struct

import pytest

from instashop.transport.hanging import outcome_in

OF_A_BROKER = bytes.fromhex(
    "0001 0000000000000000 0041 00002710 02"
    "03 08 637572736f7273 02 00000000 00 0d 7472616e73616374696f6e73 03 00000002 00000000 00"
    "000001a226842b9c 000001a226842b8f 01 00 08 0000000000000000"
)
"""As Kafka 4.3.1 wrote it: PrepareCommit of producer 0 in epoch 65, in cursors/0 and transactions/2 and /0."""


def test_a_record_of_a_broker_is_read():
    assert outcome_in(OF_A_BROKER) == (0, True, [("cursors", 0), ("transactions", 2), ("transactions", 0)])


def test_the_tags_of_a_later_kafka_are_passed_over():
    head, topics = OF_A_BROKER[:17], OF_A_BROKER[17:]
    tagged = topics.replace(b"\0\x0dtransactions", b"\x02" + b"\x05\x03abc" + b"\x81\x01\x01x" + b"\x0dtransactions", 1)
    assert outcome_in(head + tagged) == outcome_in(OF_A_BROKER)


def test_a_name_longer_than_a_length_of_one_byte_tells_is_read():
    name = b"n" * 127  # Its length and one: 128, in seven bits a byte, the lowest first.
    assert outcome_in(OF_A_BROKER.replace(b"\x08cursors", b"\x80\x01" + name)) == (0, True, [(name.decode(), 0), ("transactions", 2), ("transactions", 0)])


@pytest.mark.parametrize(("status", "committed"), [(0, None), (1, None), (2, True), (3, False), (4, None), (5, None)])
def test_only_a_decision_is_one(status, committed):
    value = struct.pack("!hqhib", 0, 2**40, 3, 10_000, status)
    value += struct.pack("!i h8s iii h7s ii", 2, 8, b"searches", 2, 1, 0, 7, b"cursors", 1, 0) + bytes(16)
    assert outcome_in(value) == (2**40, committed, [("searches", 1), ("searches", 0), ("cursors", 0)])


def test_a_transaction_without_partitions_has_none():
    ended = "0001 0000000000000000 0041 00002710 04 01 000001a226843dcf 000001a226842b8f 01 00 08 0000000000000000"
    assert outcome_in(bytes.fromhex(ended)) == (0, None, [])
    assert outcome_in(struct.pack("!hqhib i", 0, 7, 3, 10_000, 3, -1) + bytes(16)) == (7, False, [])
