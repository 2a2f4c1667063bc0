"""Telling individuals apart by their looks: crops, networks, training, scores, and embeddings for trackers."""
