"""Every bound of the HTTP service, in one place. Bytes, pixels, seconds and counts; what is over one is refused, not cut."""

from __future__ import annotations

# -- what a request may bring ------------------------------------------------------------------------------------------

MAX_JSON_BYTES = 2_000_000  # a JSON body without photos
MAX_IMAGE_BYTES = 10_000_000  # one photo
MAX_UPLOAD_BYTES = 12_000_000  # a multipart body with a photo
MAX_OUTFIT_BYTES = 24_000_000  # a JSON body in which some items are photos, in base64
MAX_TABLE_BYTES = 512_000_000  # a table to be indexed; goes to the disk, not to memory
MAX_PARTS = 8  # fields and files of a multipart body, filters aside
MAX_HEADER_BYTES = 16_384
MAX_URL_BYTES = 8_192

# Pixels, told by the header before anything is decoded. A JPEG is decoded at a fraction of its size, unless it is progressive.
MAX_JPEG_PIXELS = 64_000_000
MAX_PROGRESSIVE_PIXELS = 24_000_000
MAX_OTHER_PIXELS = 16_000_000  # PNG and WebP: about 10 bytes a pixel while decoding
MAX_JPEG_SCANS = 40
PHOTO_SIDE = 1_024  # what is kept of a photo while its request lasts

MAX_TEXT = 512  # characters of a query, a wish, a text or a title
MAX_ID = 200
MAX_FILTERS = 16
MAX_FILTER = 512  # characters
MAX_K = 200  # hits of one page
MAX_DEPTH = 1_000  # offset + k
MAX_RERANK = 100
MAX_ITEMS = 12  # of an outfit: an explanation looks at every subset
MAX_SLOTS = 8
MAX_LOOKS = 10
MAX_LIKES = 100
MAX_LIKED_PHOTOS = 4
MAX_FIELDS = 64  # columns of a table that a mapping names
MAX_FILTER_VALUES = 50  # values of a field that the catalogue's description lists

# -- how long ----------------------------------------------------------------------------------------------------------

DEADLINE = 2.0  # seconds of search for an outfit, unless the request says less or more
MAX_DEADLINE = 10.0
REQUEST_SECONDS = 30.0  # from the last byte of the request to the first of the answer
BODY_SECONDS = 30.0  # for a body to arrive whole
TABLE_SECONDS = 600.0  # for a table to arrive whole
HEAD_SECONDS = 10.0  # for a request's head to arrive
KEEP_ALIVE_SECONDS = 15.0
DRAIN_SECONDS = 30  # for requests in progress when the service is asked to stop

# -- how many at once (of a worker) ------------------------------------------------------------------------------------

MAX_CONNECTIONS = 1_024
MAX_IN_FLIGHT = 512  # requests inside; beyond these 429
ENCODE_BATCH = 32  # queries encoded together
SEARCH_BATCH = 32  # queries searched together
MAX_WAITING_QUERIES = 256  # beyond these a search is answered with 429
PHOTOS_AT_ONCE = 2  # photos being decoded
MAX_WAITING_PHOTOS = 64
OUTFITS_AT_ONCE = 2  # completions, generations, swaps, explanations
MAX_WAITING_OUTFITS = 64
RETRY_SECONDS = 1  # what Retry-After says

MAX_QUEUED_JOBS = 20
KEPT_JOBS = 100  # finished jobs that are remembered
CACHED_TEXTS = 4_096  # embeddings of texts kept
CACHED_PICTURES = 2_000
CACHED_PICTURE_BYTES = 64_000_000
