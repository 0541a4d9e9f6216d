"""Years of use in virtual time: `python tests/proofs/years_rates.py 60` lives so many months.

Prints a table with a row for each month, and what has grown from the first month to the last.
Ends with 1 if anything has.
"""

import argparse
import os
import sys
import time

from worlds.years.growth import Month, grown, small_caches, table
from worlds.years.virtual_years import Years


def main() -> int:
    """Live, with progress, and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("months", type=int, nargs="?", default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--plays", type=int, default=1, help="of each hour")
    given = parser.parse_args()
    began_s = time.monotonic()
    months: list[Month] = []
    with small_caches():
        for month in Years(given.seed, plays=given.plays).months(given.months):
            months.append(month)
            print(f"after {time.monotonic() - began_s:.0f} s: {month}", flush=True)
    print("\n".join(["", *table(months), ""]))
    more = grown(months)
    print("\n".join(more) or "nothing has grown")
    return int(bool(more))


if __name__ == "__main__":
    os.nice(15)
    sys.exit(main())
