"""Video generation. `Studio` is the only way out of this package, and what leaves it is sealed."""

from generator.request import GenerationRequest
from generator.studio import GeneratedVideo, RefusedByPolicyError, Studio

__all__ = ["GeneratedVideo", "GenerationRequest", "RefusedByPolicyError", "Studio"]
