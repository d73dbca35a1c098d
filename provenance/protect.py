"""Protect: seal a video that was made elsewhere."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from countermark.core.errors import MediaError, UsageError, WatermarkError
from countermark.core.media import Limits, MediaInfo, VideoReader, VideoSpec
from countermark.core.settings import Settings, get_settings
from provenance.extract import extract
from provenance.manifest import Delivery
from provenance.origin import Origin
from provenance.seal import OnStep, SealedVideo, check_destination, seal
from provenance.watermark import SpreadSpectrum

# x264 at this rate factor is visually lossless: differences are below what people see at normal viewing distance.
_CRF = 14
_CONTAINERS = (".mp4", ".m4v", ".mov")
# Those that credentials cannot be embedded into; they become MP4 if asked.
_OTHERS = (".mkv", ".webm", ".ts", ".m2ts", ".mts", ".mpg", ".avi", ".flv", ".3gp", ".ogv", ".wmv")
# Tags that describe the old file's bytes and would be wrong in the new one.
_STALE_TAGS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder"})


def protect(
    path: Path,
    output: Path | None = None,
    *,
    settings: Settings | None = None,
    overwrite: bool = False,
    delivery: Delivery = "embedded",
    remux: bool = False,
    on_step: OnStep | None = None,
) -> SealedVideo:
    """Seal a copy of the MP4 or MOV file at ``path``, by default as ``NAME.sealed.mp4`` beside it.

    With ``remux`` a Matroska, WebM, MPEG-TS or similar file is taken too and becomes MP4. ``delivery`` is `seal`'s.

    The picture is encoded once, visually lossless; timing, rotation, colour, audio (bit for bit) and container tags
    are kept. Credentials that the file carries stay in the new manifest, as those of its parent. Nothing is claimed
    about how the video was made. ``path`` is never changed.

    Raises what `seal` raises (`WatermarkError` also where marks of ours leave no room for another), `MediaError` for
    HDR video, and `ManifestError` for a file whose own credentials are broken: a new signature over it would launder
    the change.
    """
    settings = settings or get_settings()
    path = Path(path)
    _check_container(path, remux=remux)
    output = Path(output) if output is not None else path.with_name(f"{path.stem}.sealed{_suffix(path)}")
    check_destination(output, overwrite=overwrite, delivery=delivery)
    if on_step is not None:
        on_step("read", f"examining {path}")
    with VideoReader(path, Limits.from_settings(settings)) as reader:
        info = reader.info
        _check_media(info)
        origin = Origin(
            kind="protected",
            generator="countermark",
            version=version("countermark"),
            title=info.metadata.get("title") or path.stem,
            ingredients=(path,),
        )
        try:
            return seal(
                reader,
                VideoSpec.like(info, crf=_CRF),
                output,
                origin=origin,
                settings=settings,
                length=info.frame_count,
                audio_from=path if info.audio is not None else None,
                metadata={key: value for key, value in info.metadata.items() if key not in _STALE_TAGS},
                overwrite=overwrite,
                delivery=delivery,
                on_step=on_step,
            )
        except WatermarkError as error:
            raise _explained(error, path, settings) from error


def _explained(error: WatermarkError, path: Path, settings: Settings) -> WatermarkError:
    """The error, or that marks of ours are in the way: a second usually reads over a first, a third often does not."""
    earlier = extract(path, SpreadSpectrum.load(settings), Limits.from_settings(settings)).payload
    if earlier is None:
        return error
    return WatermarkError(
        f"{path} carries our watermark {earlier.video_id} already, and a further one does not read back over it.",
        remedy="Protect the video as it was before it was marked, or a longer piece of it.",
    )


def _suffix(path: Path) -> str:
    return path.suffix if path.suffix.lower() in _CONTAINERS else ".mp4"


def _check_container(path: Path, *, remux: bool) -> None:
    if path.is_dir():
        raise MediaError(f"{path} is a folder.", remedy="Give the path of a video file.")
    suffix = path.suffix.lower()
    if suffix in _CONTAINERS or (remux and suffix in _OTHERS):
        return
    if suffix in _OTHERS:
        remedy = "Allow it to become MP4 (--remux), or convert it yourself."
    else:
        remedy = "Convert it to MP4 first; .mp4, .m4v and .mov are known."
    kind = f"A '{path.suffix}' file" if path.suffix else f"{path}, which names no type of file,"
    raise UsageError(f"{kind} cannot be protected.", remedy=remedy)


def _check_media(info: MediaInfo) -> None:
    if info.still:
        raise MediaError(f"{info.path} is a picture, not a video.", remedy="Give a video; pictures are not protected.")
    if info.hdr:
        raise MediaError(
            f"{info.path} is HDR video, which would lose its range here.", remedy="Convert it to SDR (BT.709) first."
        )
    if info.interlaced:
        raise MediaError(f"{info.path} is interlaced.", remedy="Deinterlace it first.")
