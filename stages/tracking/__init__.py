"""BoxMOT's trackers over stored detections: class by class, in seconds, by motion alone."""
