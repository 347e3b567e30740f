"""What stands between the engine and whoever asks it: an engine made ready (`workbench`), and the HTTP service around it."""
