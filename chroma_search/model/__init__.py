"""Model: the values that all layers speak of - distances, masks, candidates, metadata values, results."""
