"""The screens that pages are looked at on."""

PATIENCE_MS = 60_000
"""A page is drawn in two seconds on fair cores; slow ones that run a platform beside it need longer."""
SIZES = {"desk": {"width": 1440, "height": 900}, "phone": {"width": 390, "height": 844}}
