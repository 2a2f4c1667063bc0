"""What a sequence is on disk: archives, annotations, detections and tracks."""
