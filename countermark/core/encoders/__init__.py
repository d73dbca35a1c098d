"""Encoders of text and images, shared by the policy and the detector."""
