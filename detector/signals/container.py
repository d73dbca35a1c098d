"""What the file's wrapping says: labels, generator metadata, encoder strings.

A label that says "made by AI" is strong evidence for it: nobody gains by putting it on camera footage. Its absence says
nothing, since every platform strips metadata, and a camera's name says little, since anybody can write one. These
weights are set by that reasoning, not measured: labelled files are too rare in the collections at hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from detector.clip import Clip
from detector.evidence import Evidence
from detector.signals.credentials import AI_SOURCE_TYPES
from detector.wording import Said, say
from provenance.labels import Labels, read_labels

NAME = "container"
VERSION = "2"

DECLARED = 4.6
"""Weight of a label or generator metadata: 100 to 1."""
SUSPECTED = 1.5
"""Weight of a label that itself only says "possibly" or "suspected"."""
CAMERA = -0.7
"""Weight of camera metadata: 1 to 2, as it is easily copied."""

_A1111 = re.compile(r"\bSteps: \d+, Sampler: [^,\n]+")

# Records of SwarmUI and InvokeAI; those of other tools are known by what they must hold.
_RECIPES = ("sui_image_params", "invokeai_metadata", "invokeai_graph")
_RECIPE = {"prompt", "seed"}
_SAMPLING = {
    "steps",
    "num_inference_steps",
    "guidance_scale",
    "cfg_scale",
    "sampler",
    "sampler_name",
    "negative_prompt",
}

# Names that generators write about themselves, searched only in tags that name a tool: "Runway" in a title is a title.
_GENERATORS = re.compile(
    r"\b(ComfyUI|Stable ?(?:Video ?)?Diffusion|AUTOMATIC1111|InvokeAI|Fooocus|SwarmUI|NovelAI|Draw Things|diffusers|"
    r"AnimateDiff|Deforum|FramePack|WanGP|Midjourney|Firefly|Runway|Kling|Hailuo|PixVerse|Pika|Dream Machine|Dreamina|"
    r"Jimeng|Seedance|CogVideoX?|HunyuanVideo|Wan ?2\.\d|LTX-?Video|Mochi-1|Sora|Google AI|Veo|Vidu)\b",
    re.IGNORECASE,
)
_TOOL_KEYS = {"software", "encoder", "encoded_by", "creator_tool", "creatortool", "generator", "source_software"}
_TOOL_KEYS |= {"com.apple.quicktime.software", "handler_name", "tool", "application"}
_CAMERA_KEYS = (
    "com.apple.quicktime.make",
    "com.apple.quicktime.model",
    "com.android.version",
    "com.android.manufacturer",
    "com.android.model",
    "make",
    "model",
)


@dataclass(frozen=True)
class Finding:
    """One thing read in the wrapping, and its weight."""

    said: Said
    llr: float


def applicable(clip: Clip) -> Said | None:  # noqa: ARG001 - every file has a wrapping
    """Always."""
    return None


def measure(clip: Clip) -> Evidence:
    """The strongest finding for "generated", else the camera's, else nothing; never a sum, as all are one claim."""
    info = clip.info
    findings = read_claims(read_labels(clip.path, info.metadata))
    findings += read_tags({**info.stream_metadata, **info.metadata})
    wrapping = {"format": info.format, "codec": info.codec, "encoder": info.encoder or "–"}
    if not findings:
        return Evidence(
            signal=NAME, status="measured", llr=0.0, said=say("container.none", **wrapping), version=VERSION
        )
    speaks = [f.llr for f in findings if f.llr > 0] or [min(f.llr for f in findings)]
    return Evidence(
        signal=NAME,
        status="measured",
        llr=max(speaks),
        said=say("container.wrapping", **wrapping),
        details=tuple({f.said.words(): f.said for f in findings}.values()),
        version=VERSION,
    )


def read_tags(tags: Mapping[str, str]) -> list[Finding]:
    """Findings in container and stream tags."""
    findings = []
    for key, value in tags.items():
        if tool := _graph(value):
            findings.append(Finding(say(f"container.{tool}", key=key), DECLARED))
        elif key.lower() in _TOOL_KEYS and (match := _GENERATORS.search(value)):
            findings.append(Finding(say("container.names", key=key, generator=match[0]), DECLARED))
    if not findings:
        camera = [tags[key] for key in tags if key.lower() in _CAMERA_KEYS]
        if camera:
            findings.append(Finding(say("container.camera", camera=", ".join(camera)[:80]), CAMERA))
    return findings


def read_claims(labels: Labels) -> list[Finding]:
    """Findings in the labels that laws and news codes define (:mod:`provenance.labels`)."""
    findings = []
    kind = (labels.digital_source_type or "").rsplit("/", 1)[-1]
    if kind in AI_SOURCE_TYPES:
        findings.append(Finding(say("container.iptc", kind=kind), DECLARED))
    # GB 45438-2025, appendix E: 1 is, 2 is possibly, 3 is suspected to be AI-generated.
    kinds = {"1": DECLARED, "2": SUSPECTED, "3": SUSPECTED}
    if labels.aigc is not None and (label := labels.aigc.get("Label")) in kinds:
        producer = (labels.aigc.get("ContentProducer") or "–")[:80]
        findings.append(Finding(say(f"container.aigc{label}", producer=producer), kinds[label]))
    return findings


def _graph(value: str) -> str | None:
    """What kind of generation record the text is: a graph of ComfyUI, parameters of A1111, a recipe of another tool."""
    if _A1111.search(value):
        return "a1111"
    record = _parse(value)
    if record is None:
        return None
    if any(name in record for name in _RECIPES) or (record.keys() >= _RECIPE and record.keys() & _SAMPLING):
        return "recipe"
    # ComfyUI's own node writes one tag each for prompt and workflow, Video Helper Suite one comment that holds both.
    for graph in (record, _parse(record.get("prompt")), _parse(record.get("workflow"))):
        if graph is None:
            continue
        is_prompt = any(isinstance(node, dict) and "class_type" in node for node in graph.values())
        if is_prompt or {"nodes", "links"} <= graph.keys():
            return "comfyui"
    return None


def _parse(value: object) -> dict[str, object] | None:
    """A JSON object, given as such or as text; None for anything else."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return None
    return value if isinstance(value, dict) else None
