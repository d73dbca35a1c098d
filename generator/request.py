"""What a caller asks the generator for."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class GenerationRequest(BaseModel):
    """A prompt and how to sample it. The same request gives the same frames on the same machine."""

    model_config = ConfigDict(frozen=True)

    prompt: str
    seed: int = Field(default=0, ge=0, lt=2**31, description="Fixes the noise and what the prompt leaves open.")
    steps: int = Field(default=20, ge=1, le=200, description="Sampling steps.")
    guidance: float = Field(default=2.0, ge=1.0, le=20.0, description="Classifier-free guidance scale; 1 is none.")
