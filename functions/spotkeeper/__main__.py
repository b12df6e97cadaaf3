"""The operator's command line: `python -m spotkeeper`."""

import sys

from spotkeeper.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
