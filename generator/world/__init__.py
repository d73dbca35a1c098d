"""A small procedural world that renders its own captioned clips: the training data of the bundled model."""
