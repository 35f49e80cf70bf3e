"""`specweave`, and `python -m specweave` where its script is not on PATH."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Entry point of the program; it stands alone so that an interrupt while the rest is loaded ends it quietly."""
    try:
        from specweave import cli  # noqa: PLC0415 - see above
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)  # noqa: T201 - nothing is there yet that could say it
        sys.exit(130)
    cli.main()


if __name__ == "__main__":
    main()
