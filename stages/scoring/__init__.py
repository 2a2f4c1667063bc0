"""Scores: TrackEval's HOTA, CLEAR and Identity class by class, and detection mAP."""
