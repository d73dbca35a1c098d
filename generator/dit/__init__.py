"""The bundled video diffusion transformer."""
