"""Every error the platform raises on purpose; the docstring is the message and says what to do."""


class InstaShopError(Exception):
    """Something in InstaShop went wrong."""

    def __init__(self, **facts: object) -> None:
        self.facts = facts
        super().__init__((type(self).__doc__ or "").format(**facts))


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its name when it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


class ShopUnreachable(InstaShopError):
    """The shop's Postgres at {address} does not answer ({cause}); start it with `./instashop up` or set INSTASHOP_SHOP_DSN."""


class WarehouseUnreachable(InstaShopError):
    """The warehouse at {address} does not answer ({cause}); start it with `./instashop up` or set INSTASHOP_WAREHOUSE_DSN."""


class KafkaUnreachable(InstaShopError):
    """Kafka at {address} does not answer ({cause}); start it with `./instashop up` or set INSTASHOP_KAFKA_BOOTSTRAP."""


class TopicNotMade(InstaShopError):
    """Topic {topic} could not be made at {address} ({cause}). Brokers of others: our role has to be allowed to create topics, and INSTASHOP_KAFKA_REPLICATION may not exceed their number."""


class RedisUnreachable(InstaShopError):
    """Redis at {address} does not answer ({cause}); start it with `./instashop up` or set INSTASHOP_REDIS_URL."""


class NotPrepared(InstaShopError):
    """{what} is not there yet; run the DAG `prepare_platform` or `./instashop prepare`."""


class LeaseTaken(InstaShopError):
    """Another {service} already runs here (process {pid}); stop it first, by `./instashop control` if Airflow started it, or leave it to its work."""


class WriterTaken(InstaShopError):
    """Another {service} is already at work on {address}; one at a time keeps every event single. Stop that one first."""


class CursorMissing(InstaShopError):
    """Topic `cursors` knows no cursor for `{database}`, yet its topics hold events; starting from zero would publish them twice. Restore the topic, or `./instashop reset`."""


class CursorOfAnotherShop(InstaShopError):
    """The cursor for `{database}` was written for Postgres system {known}, but this is system {found}; connect the right server, or `./instashop reset`."""


class CursorAhead(InstaShopError):
    """The cursor for `{database}` is at transaction {txid}, which this Postgres {why}: it was set back, by a backup or a standby that had not everything, and rows it writes now would never be published. Bring the newest server back, or `./instashop reset`."""


class RowsAhead(InstaShopError):
    """Rows of `{stream}` in {database} are of transactions that this Postgres has not begun (its next is {next}): a dump brought them from another server, and they would not be published before it comes that far. Give them transaction ids of this server, by the statement that docs/running.md has below `RowsAhead`."""


class OffsetsMissing(InstaShopError):
    """Kafka has no offsets of group `{group}` for {where}, yet the same of `transaction_items` holds items; starting from zero would publish them twice. Set the group's offsets of `transactions` to where the last items were made, by the command that docs/running.md has below `OffsetsMissing`, or `./instashop reset`."""


class OffsetsAhead(InstaShopError):
    """Group `{group}` has read {where}, beyond the end of the log: Kafka has lost the newest part of it, or somebody made the topic anew; starting from zero would publish its items twice. Set the group's offsets, by the command that docs/running.md has below `OffsetsMissing`, or `./instashop reset`."""


class RowNotTaken(InstaShopError):
    """Row {row_id} of `{stream}`, written by transaction {txid} of the shop, cannot be published: {cause}. It and all rows after it wait; make the row smaller in the shop."""


class OtherPartitions(InstaShopError):
    """At {address} these topics have other partitions than the platform counts on: {topics}. Nothing is read or written there; delete those that are empty and run `./instashop prepare`, or give brokers of others topics of this shape."""


class DayNotMade(InstaShopError):
    """The table for the events of {day} is not made yet ({cause}). Somebody else makes it at this moment, or a statement that changes `realtime_events` itself, such as a migration, is still at work; if this stays, end a forgotten one."""


class TopicHeld(InstaShopError):
    """{topic} cannot be read to its end: a transaction in it has been open for {seconds} s, and what was committed after it waits. It ends by itself when its writer, or Kafka, commits it or rolls it back; if this stays, the command that docs/running.md has below `TopicHeld` names it."""


class TransactionHangs(InstaShopError):
    """A transaction of {id} is open in {where}, though Kafka says that it is over, and could not be ended ({cause}). What comes after it cannot be read; docs/running.md says below `TransactionHangs` how to end it by hand."""


class SomebodyElseIsFurther(InstaShopError):
    """Another consumer has moved {where} on; this batch is rolled back and read again from the stored offsets."""


class DatabaseIsNewer(InstaShopError):
    """{database} is newer than this code, which does not know {names}; use the code that applied them, or a newer one."""


class MigrationChanged(InstaShopError):
    """{names} was applied to {database} with another text than the file has now; give the file its old text back, and say what is to change in a file with a new number."""


class MigrationBlocked(InstaShopError):
    """A migration of {database} did not get its lock for {seconds} s ({cause}). Open transactions: {others}. End what holds it, then run `./instashop prepare` again."""


class MigrationFailed(InstaShopError):
    """{name} could not be applied to {database}, and nothing of it is kept; what came before it is: {cause}. Mend its file or what it met, then run `./instashop prepare` again."""


class TwoMigrations(InstaShopError):
    """{one} and {other} in include/sql/{folder} have one number; give the newer one the next number that is free."""


class WrongSetting(InstaShopError):
    """{problems}
    Settings are environment variables or lines of .env; .env.example explains each.
    """
