"""Makes the passwords at the first start, in a file that only its owner can read."""

from __future__ import annotations

import base64
import os
import secrets

from dotenv import dotenv_values

from instashop import settings as words
from instashop.control.files import write_private
from instashop.settings import Settings

SUPERUSER = "INSTASHOP_POSTGRES_SUPERUSER_PASSWORD"
"""Password of `postgres` on the three servers, for a person at the keyboard and the drill `disk-full`; no service uses it."""


def _fresh() -> dict[str, str]:
    return {
        "INSTASHOP_POSTGRES_PASSWORD": secrets.token_urlsafe(18),
        "INSTASHOP_FEED_PASSWORD": secrets.token_urlsafe(18),
        SUPERUSER: secrets.token_urlsafe(18),
        "INSTASHOP_REDIS_PASSWORD": secrets.token_urlsafe(18),
        "INSTASHOP_AIRFLOW_PASSWORD": secrets.token_urlsafe(12),
        "INSTASHOP_AIRFLOW_JWT_SECRET": secrets.token_urlsafe(48),
        "INSTASHOP_AIRFLOW_FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
    }


def read(settings: Settings) -> dict[str, str]:
    """Return the passwords in the file, by their variable; empty when there is no file."""
    return {name: value or "" for name, value in dotenv_values(settings.secrets_file).items()}


def ensure(settings: Settings) -> Settings:
    """Add the passwords that are missing to the file, and return the settings that know them."""
    known = read(settings)
    wanted = _fresh() | known
    path = settings.secrets_file
    if wanted != known:
        settings.home.mkdir(parents=True, exist_ok=True)
        text = "# Made at the first start. Only its owner may read it; `./instashop reset` removes it.\n"
        text += "".join(f"{name}={value}\n" for name, value in wanted.items())
        write_private(path, text)
    path.chmod(0o600)
    words.load.cache_clear()
    return words.load()
