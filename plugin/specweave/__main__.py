"""`python -m specweave`: the program where its script is not on PATH."""

from specweave.cli import main

main()
