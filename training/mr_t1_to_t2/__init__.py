"""Training of the `mr-t1-to-t2` pipeline: networks, training, evaluation and export."""
