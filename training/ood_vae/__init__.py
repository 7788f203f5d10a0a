"""The variational autoencoder behind the gate's out-of-distribution figures."""
