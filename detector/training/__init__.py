"""Training of the heads that the signals use. Nothing here is imported when screening."""
