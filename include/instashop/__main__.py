"""`python -m instashop`."""

from instashop.cli import main

main()
