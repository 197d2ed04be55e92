"""`python -m c3dvis`: the same as the `c3dvis` command."""

import sys

from c3dvis.cli import main

if __name__ == "__main__":
    sys.exit(main())
