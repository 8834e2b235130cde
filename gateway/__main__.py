"""``python -m gateway`` is ``commerce-gateway``."""

from gateway.cli import main

main()
