"""Examines a source where it lies and reports all that is wrong with it; nothing is written."""
