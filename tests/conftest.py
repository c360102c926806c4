"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("instashop", deadline=None)  # A busy machine is no reason to fail.
settings.load_profile("instashop")
