"""Video in and out: probing, reading and writing through PyAV, in chunks."""
