"""Video models behind one protocol (`generator.model.VideoModel`)."""
