"""Errors in one shape, headers on every answer, request ids, and what must not be let in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.service.conftest import open_client  # type: ignore[import-not-found]

A = "atelier-000000"
