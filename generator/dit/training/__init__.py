"""Training of the bundled model: the autoencoder, the transformer and the judge."""
