"""Skyward's pipeline: one module per DVC stage, and the packages that do the work."""
