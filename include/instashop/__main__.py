"""`python -m instashop`, which the door becomes."""

from instashop.cli import main

main("./instashop")
