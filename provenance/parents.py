"""The credentials of a video that is about to become another's parent."""

from __future__ import annotations

from pathlib import Path

from countermark.core.errors import ManifestError
from countermark.core.settings import Settings
from provenance.judgement import judge
from provenance.reader import UnreadableManifestError, read_report
from provenance.trust import load_anchors


def refuse_broken(path: Path, settings: Settings) -> None:
    """Raise `ManifestError` if the credentials in ``path`` are broken: a new signature would launder the change.

    No credentials, those of a stranger, and those that are kept elsewhere are no obstacle.
    """
    anchors = load_anchors(settings)
    try:
        report = read_report(path, anchors.pem)
    except UnreadableManifestError as error:
        if error.remote:
            return
        problem = f"they cannot be read ({error})"
    else:
        if report is None or judge(report, anchors=anchors).intact:
            return
        problem = "the file or one of its parents was changed after it was signed"
    raise ManifestError(
        f"The Content Credentials of {path} are broken: {problem}.",
        remedy="Find the original; or remove the credentials, and the video is sealed as one of unknown origin.",
    )
