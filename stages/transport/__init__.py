"""Brings bytes here: local paths, HTTPS and S3, folders and ZIPs, by way of a cache outside all outputs."""
