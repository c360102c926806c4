"""`up --light`: one broker, smaller heaps, a longer trigger; a home is light from its first start on, or never."""

from __future__ import annotations

from instashop.errors import InstaShopError
from instashop.local import programs
from instashop.settings import Settings, load


class NotALightHome(InstaShopError):
    """{home} holds the data of {brokers} brokers, and a light platform has one. Give it a folder of its own: `INSTASHOP_HOME=.local-light ./instashop up --light`."""


def settings_of(light: bool) -> Settings:
    """Return the settings for a start; with `light`, an empty home becomes a light one and stays it, for every command.

    Raises:
        NotALightHome: the home was begun without it.
    """
    settings = load()
    if not light or settings.light:
        return settings
    if (settings.home / "data").exists():
        raise NotALightHome(home=settings.home, brokers=settings.kafka_brokers)
    settings.home.mkdir(parents=True, exist_ok=True)
    file = settings.home / ".env"
    text = file.read_text(encoding="utf-8") if file.exists() else "# Settings of the platform in this folder alone.\n"
    programs.write_private(file, text + "INSTASHOP_LIGHT=true\n")
    load.cache_clear()
    return load()
