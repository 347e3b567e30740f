"""A retailer's table to items: CSV, TSV, JSON lines, Parquet, Google XML; Google Merchant, Shopify and plain columns.

`tables` reads files into rows, `dialects` knows what the columns mean, `pictures` finds the picture of a row, `reader` checks
and builds the items, `report` keeps account of every row.
"""

from modiste.data.feed.dialects import DIALECTS, detect
from modiste.data.feed.reader import read_feed, read_rows
from modiste.data.feed.report import FeedError, FeedReport
from modiste.data.feed.tables import SUFFIXES, count_rows, find_table

__all__ = [
    "DIALECTS",
    "SUFFIXES",
    "FeedError",
    "FeedReport",
    "count_rows",
    "detect",
    "find_table",
    "read_feed",
    "read_rows",
]
