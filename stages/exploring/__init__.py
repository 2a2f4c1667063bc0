"""What data looks like before anything trains on it: statistics as tables, figures, sample frames, contact sheets."""
