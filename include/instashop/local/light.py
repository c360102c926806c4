"""`up --light`: one broker, smaller heaps, a longer trigger; a home is light from its first start on, or never."""

from __future__ import annotations

from instashop.control.files import write_private
from instashop.errors import InstaShopError
from instashop.settings import LIGHT, Settings, load


class OtherBrokers(InstaShopError):
    """{home} holds the data of {found} brokers, and the settings want {wanted}: topics cannot move. Give the start a folder of its own, such as `INSTASHOP_HOME=.local-light ./instashop up --light`, or set INSTASHOP_KAFKA_BROKERS and INSTASHOP_LIGHT as they were."""


def settings_of(light: bool) -> Settings:
    """Return the settings for a start; with `light`, an empty home becomes a light one and stays it, for every command.

    Raises:
        OtherBrokers: the home was begun with another number of brokers.
    """
    settings = load()
    if light and not settings.light:
        _check(settings, LIGHT["kafka_brokers"])
        settings.home.mkdir(parents=True, exist_ok=True)
        file = settings.home / ".env"
        text = f"{file.read_text(encoding='utf-8').rstrip()}\n" if file.exists() else "# Settings of the platform in this folder alone.\n"
        write_private(file, text + "INSTASHOP_LIGHT=true\n")
        load.cache_clear()
        settings = load()
    _check(settings, settings.kafka_brokers)
    return settings


def _check(settings: Settings, wanted: int) -> None:
    found = len(list((settings.home / "data").glob("kafka-[0-9]")))
    if found and found != wanted and settings.runs_here("kafka_bootstrap"):
        raise OtherBrokers(home=settings.home, found=found, wanted=wanted)
