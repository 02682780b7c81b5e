"""`python -m chefgenius.report`."""

import sys

from chefgenius.report import main

if __name__ == "__main__":
    sys.exit(main())
