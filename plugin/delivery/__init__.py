"""Results on their way to their destinations: queued, sent, committed, each image accounted for."""
