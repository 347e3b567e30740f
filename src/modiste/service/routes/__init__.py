"""One module per group of verbs; every route of the public API."""
