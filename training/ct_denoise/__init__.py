"""Training of the `ct-denoise` pipeline: simulation, network, training, evaluation and export."""
