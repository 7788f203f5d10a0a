"""How far a slice lies from what a small VAE has seen of CT and MR."""
