"""BoxMOT's trackers over stored detections, embeddings and camera motion: no frame, no network, times in seconds."""
