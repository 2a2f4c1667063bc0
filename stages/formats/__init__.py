"""The formats that tracking data comes in, one module each."""
