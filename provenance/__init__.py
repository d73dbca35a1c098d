"""Provenance: watermark, sign, register and verify video."""
