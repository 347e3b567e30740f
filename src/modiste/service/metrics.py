"""What the service counts of itself, for Prometheus. With several workers the counts of all are added up."""

from __future__ import annotations

import os

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"  # the library's own name for the folder that workers share

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64)

REQUESTS = Counter("modiste_requests", "Requests answered", ["method", "route", "status"])
SECONDS = Histogram("modiste_request_seconds", "From a request's head to its answer's end", ["route"], buckets=_SECONDS)
IN_FLIGHT = Gauge("modiste_requests_in_flight", "Requests being answered", multiprocess_mode="livesum")
BATCHES = Histogram("modiste_batch_size", "Queries handled together", ["kind"], buckets=_SIZES)
REFUSED = Counter("modiste_refused", "Requests refused before a route saw them", ["reason"])
ITEMS = Gauge("modiste_catalogue_items", "Items of the version that is served", multiprocess_mode="livemin")
VERSION = Gauge("modiste_catalogue_version", "The version that is served", multiprocess_mode="livemin")
LOADS = Counter("modiste_catalogue_loads", "Versions of the catalogue that were loaded")
JOBS = Counter("modiste_jobs", "Jobs that ended", ["status"])


def exposition() -> tuple[bytes, str]:
    """All metrics in Prometheus's text format, and its content type."""
    if MULTIPROCESS in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return generate_latest(registry), CONTENT_TYPE_LATEST
    return generate_latest(), CONTENT_TYPE_LATEST
