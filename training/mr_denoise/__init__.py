"""Training of the `mr-denoise` pipeline: noise, network, training, evaluation and export."""
