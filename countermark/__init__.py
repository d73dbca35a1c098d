"""Generate video that can prove where it came from, and examine video that cannot.

::

    import countermark

    countermark.generate("a red balloon rising over the sea", "out.mp4").video_id
    countermark.verify("out.mp4").conclusion      # "verified"
    countermark.screen("upload.mp4").summary      # one sentence, with the evidence beside it

Every function takes a path or a prompt and returns a Pydantic model; none returns pictures, and the only videos that
leave are sealed files. Errors are `CountermarkError`, each with a cause and a remedy. ``settings`` defaults to the
environment (``COUNTERMARK_…``). Whatever is heavy is imported when a function is called.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from countermark.core.errors import CountermarkError
    from countermark.core.settings import Settings
    from detector import Verdict
    from detector.screen import Depth
    from generator import GeneratedVideo
    from policy import Decision
    from provenance.manifest import Delivery
    from provenance.seal import SealedVideo
    from provenance.verify import Verification

__all__ = [
    "CountermarkError",
    "Decision",
    "GeneratedVideo",
    "SealedVideo",
    "Settings",
    "Verdict",
    "Verification",
    "check",
    "generate",
    "protect",
    "screen",
    "verify",
]

_HOME = {
    "CountermarkError": "countermark.core.errors",
    "Decision": "policy",
    "GeneratedVideo": "generator",
    "SealedVideo": "provenance.seal",
    "Settings": "countermark.core.settings",
    "Verdict": "detector",
    "Verification": "provenance.verify",
}


def check(prompt: str, *, audience: str = "general", settings: Settings | None = None) -> Decision:
    """Ask the policy about a prompt; nothing is generated. ``action`` is "allow", "rewrite", "review" or "block".

    ``audience`` ("general", "adult", "newsroom") chooses the thresholds. Raises `UsageError` for a prompt that is
    empty, over-long or no valid Unicode, and `ConfigurationError` or `WeightsError` when the policy cannot be loaded.
    """
    from policy import check, load_policy

    return check(prompt, policy=load_policy(settings.policy_file if settings else None), audience=audience)


def generate(
    prompt: str,
    output: Path | str,
    *,
    image: Path | str | None = None,
    extend: Path | str | None = None,
    direction: Literal["forward", "backward"] | None = None,
    blend: tuple[Path | str, Path | str] | None = None,
    edit: Path | str | None = None,
    strength: float | None = None,
    mask: Path | str | None = None,
    outpaint: Path | str | None = None,
    storyboard: Path | str | None = None,
    loop: bool = False,
    seconds: float | None = None,
    size: str | tuple[int, int] | None = None,
    fps: int | None = None,
    negative_prompt: str = "",
    consents: Sequence[str] = (),
    seed: int = 0,
    steps: int | None = None,
    guidance: float | None = None,
    model: str = "bundled",
    user: str = "",
    overwrite: bool = False,
    settings: Settings | None = None,
    on_step: Callable[[str, str], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_preview: Callable[[NDArray[np.uint8]], None] | None = None,
) -> GeneratedVideo:
    """Generate a video from a prompt into the new file ``output`` (.mp4, .m4v or .mov), watermarked and signed.

    Where ``output`` is a .png, .jpg or .jpeg file, one picture is made; a prompt is then all that it is made from.

    What is given beside the prompt (``image`` to ``size``) makes the task, see `generator.tasks.request_for`; given
    files are examined by the policy and become ingredients of the signed manifest; ``consents`` are tokens of
    `policy.consent` for the persons in them. ``fps`` and ``negative_prompt`` to ``guidance`` are those of
    `generator.GenerationRequest`; ``model`` is a name as `generator.backends.model_named` takes it.
    ``user`` is whoever asks, where there are several: what the policy refused one does not count against the others.
    ``on_step(name, detail)`` hears of every step, ``on_progress(step, steps)`` of every sampling step, and
    ``on_preview(thumbnail)`` of what the bundled models have so far, uint8 [h, w, 3], an eighth as large as the frames.

    Raises `PolicyRefusedError` when the policy does not allow a text or a given file, `UsageError` for options that
    make no sense together, values out of range or an unfit ``output``, `MediaError` for unreadable inputs,
    `GenerationError`, and what sealing raises. Then there is no file.
    """
    from countermark.core.media import names_still
    from generator import Studio
    from generator.tasks import request_for

    request = request_for(
        prompt,
        image=image,
        extend=extend,
        direction=direction,
        blend=blend,
        edit=edit,
        strength=strength,
        mask=mask,
        outpaint=outpaint,
        storyboard=storyboard,
        loop=loop,
        seconds=seconds,
        size=size,
        fps=fps,
        negative_prompt=negative_prompt,
        consents=tuple(consents),
        seed=seed,
        steps=steps,
        guidance=guidance,
        still=names_still(Path(output)),
    )
    return Studio(model, settings=settings).generate(
        request,
        Path(output),
        user=user,
        overwrite=overwrite,
        on_step=on_step or _silent,
        on_progress=on_progress or _silent,
        on_preview=on_preview,
    )


def protect(
    path: Path | str,
    output: Path | str | None = None,
    *,
    overwrite: bool = False,
    delivery: Delivery = "embedded",
    remux: bool = False,
    settings: Settings | None = None,
    on_step: Callable[[str, str], None] | None = None,
) -> SealedVideo:
    """Seal a copy of a video that was made elsewhere, by default as ``NAME.sealed.mp4`` beside it.

    Nothing is claimed about how it was made, and ``path`` is never changed. ``delivery`` puts the manifest into the
    file ("embedded"), beside it ("sidecar") or only into the registry ("remote"); with ``remux`` containers that cannot
    hold a manifest become MP4. Raises `MediaError` for what cannot be read
    or kept, `ManifestError` when the file's own credentials are broken, and what sealing raises. Then there is no file.
    """
    from provenance.protect import protect

    target = None if output is None else Path(output)
    return protect(
        Path(path),
        target,
        settings=settings,
        overwrite=overwrite,
        delivery=delivery,
        remux=remux,
        on_step=on_step,
    )


def verify(
    path: Path | str,
    *,
    manifest: Path | str | None = None,
    crosscheck: bool = False,
    similar: bool = False,
    fetch: bool = False,
    timeline: bool = False,
    noise: bool = False,
    settings: Settings | None = None,
) -> Verification:
    """Say where a video or picture comes from: credentials, watermark and registry, each as a finding of its own.

    ``manifest`` is the ``.c2pa`` file of a video that does not carry its manifest (default: ``NAME.c2pa`` beside it).
    ``crosscheck`` asks a second, independent validator as well (``countermark[crosscheck]``); ``similar`` also looks by
    the picture, approximately, where credentials and watermark are gone; ``fetch`` fetches a manifest that the file
    says is kept elsewhere and asks whether the signer's certificate was revoked, and nothing else uses the network;
    ``timeline`` looks at every frame and says which stretches carry which watermark; ``noise`` also looks for the noise
    that the bundled model drew from, where credentials and watermark are gone (`generator.noise_mark`).

    ``conclusion`` is "verified", "recovered", "tampered", "untrusted" or "no_credentials". Raises `MediaError` when the
    file cannot be read as video or picture.
    """
    from functools import partial

    from provenance.verify import verify

    reader = None
    if noise:
        from generator.noise_mark import find_noise

        reader = partial(find_noise, settings=settings)
    apart = None if manifest is None else Path(manifest)
    return verify(
        Path(path),
        manifest=apart,
        crosscheck=crosscheck,
        similar=similar,
        fetch=fetch,
        timeline=timeline,
        noise=reader,
        settings=settings,
    )


def screen(
    path: Path | str,
    *,
    depth: Depth = "full",
    settings: Settings | None = None,
    on_step: Callable[[str, str], None] | None = None,
) -> Verdict:
    """Examine an upload for signs of generation: every signal's evidence, and a verdict that may be "inconclusive".

    With ``depth`` "settled" the picture is not looked at once credentials, watermark or labels have settled the matter;
    with "fast" it is never looked at. ``on_step(signal, finding)`` hears of every signal. Raises `MediaError` when the
    file cannot be read as video. `detector.screen_many` screens many files on all cores.
    """
    from detector import screen

    return screen(Path(path), depth=depth, settings=settings, on_step=on_step)


def _silent(*_: object) -> None:
    """No one listens."""


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
