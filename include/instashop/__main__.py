"""`python -m instashop`, which the door becomes."""

try:
    from instashop.cli import main
except KeyboardInterrupt:  # Somebody thought better of it while Python was still reading.
    raise SystemExit(130) from None

main("./instashop")
