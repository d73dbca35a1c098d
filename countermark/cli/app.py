"""The commands of ``countermark``. Each computes an `Outcome`; `main` alone prints it and chooses the exit code."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Literal

import typer

import countermark
from countermark.cli import pages, registry, screening, serving, signer, stopping, trust
from countermark.cli.compliance import compliance
from countermark.cli.failures import DEBUG, failure_from, show_failure
from countermark.cli.outcome import NEGATIVE, YES, AsJson, Outcome
from countermark.cli.page import Page, Row, show
from countermark.cli.policy import check_file, policy, review
from countermark.cli.progress import progress
from countermark.core.errors import PolicyRefusedError, UsageError
from countermark.core.settings import get_settings

if TYPE_CHECKING:
    from provenance.manifest import Delivery

_CODES = "Exit codes: 0 yes, 1 negative finding, 2 wrong use, 3 refused by the policy, 4 failed."


app = typer.Typer(
    help="Generate video that can prove where it came from, and examine video that cannot.",
    epilog=_CODES,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
weights = typer.Typer(help="Model weights that are not part of the installation.", no_args_is_help=True)
app.add_typer(weights, name="weights")
app.add_typer(trust.app, name="trust")
app.add_typer(registry.app, name="registry")
app.add_typer(signer.app, name="signer")
app.command()(compliance)
app.add_typer(serving.keys, name="keys")
app.add_typer(serving.quotas, name="quotas")
app.add_typer(policy, name="policy")
app.add_typer(review, name="review")


def _rate_factor(text: str) -> int:
    """An H.264 rate factor that is worth trying; where it was left out, ``text`` is what came next on the line."""
    if not text.isdecimal() or not 18 <= int(text) <= 51:
        raise typer.BadParameter(f"{text!r} is no rate factor; give one from 18 to 51, such as 40 for a harsh one")
    return int(text)


def _path(text: str) -> Path:
    """The path of a file or folder. An empty one, as of a shell variable that is not set, would be this folder."""
    if not text:
        raise typer.BadParameter("the path is empty")
    return Path(text)


PROMPT_HELP = "What the video shows, in English or Chinese."
Prompt = Annotated[str, typer.Argument(help=PROMPT_HELP, show_default=False)]
Video = Annotated[Path, typer.Argument(metavar="FILE", parser=_path, help="A video file.", show_default=False)]
Examined = Annotated[Path, typer.Argument(metavar="FILE", parser=_path, help="A video or picture.", show_default=False)]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", parser=_path, help="The file to write (.mp4, .mov)."),
]
Made = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        parser=_path,
        help="The file to write (.mp4, .mov); .png or .jpg for one picture.",
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the output file if it exists.")]


@app.command()
def generate(
    prompt: Annotated[str, typer.Argument(help=f"{PROMPT_HELP} Not with --storyboard.", show_default=False)] = "",
    *,
    output: Made = None,
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="A picture to start from.")] = None,
    extend: Annotated[Path | None, typer.Option(metavar="FILE", help="A video to go on from.")] = None,
    direction: Annotated[
        Literal["forward", "backward"] | None, typer.Option(help="With --extend: after its end or before its start.")
    ] = None,
    blend: Annotated[tuple[Path, Path] | None, typer.Option(metavar="FILE FILE", help="Two videos to join.")] = None,
    edit: Annotated[Path | None, typer.Option(metavar="FILE", help="A video to change by the prompt.")] = None,
    strength: Annotated[
        float | None, typer.Option(min=0, max=1, help="With --edit: how much may change.", show_default="0.85")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(metavar="FILE", help="With --edit: a picture, white where the video may change.")
    ] = None,
    outpaint: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A video to make a larger --size around.")
    ] = None,
    storyboard: Annotated[Path | None, typer.Option(metavar="FILE.yaml", help="Several shots.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Let the end lead back to the beginning.")] = False,
    seconds: Annotated[
        float | None, typer.Option(min=0.5, max=60, help="Length of what is generated.", show_default="2")
    ] = None,
    size: Annotated[
        str | None, typer.Option(metavar="WxH", help="Width and height in pixels.", show_default="256x256")
    ] = None,
    fps: Annotated[int | None, typer.Option(min=1, max=120, help="Frames a second.", show_default="12")] = None,
    consent: Annotated[
        list[str] | None, typer.Option(metavar="TOKEN", help="For the persons in a given file; may be repeated.")
    ] = None,
    negative: Annotated[str, typer.Option(help="What the video should not show.", show_default=False)] = "",
    seed: Annotated[int, typer.Option(min=0, max=2**31 - 1, help="The same seed gives the same video.")] = 0,
    steps: Annotated[
        int | None, typer.Option(min=1, max=200, help="Sampling steps.", show_default="the model's own")
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(min=1, max=20, help="How strictly to follow the prompt.", show_default="the model's own"),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="bundled, bundled:fast, open-weights:NAME, openai:NAME@WxH.")
    ] = "bundled",
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> Outcome:
    """Generate a watermarked, signed and registered video from a prompt, and from pictures or videos beside it.

    With a .png or .jpg file as -o it is one picture, from the prompt alone.

    Without -o the file is named after the time, in this folder. A refused prompt exits with 3 and leaves no file.
    """
    # Not after the prompt: the name becomes the title in the signed manifest, and prompts stay private.
    output = output or Path(f"countermark-{datetime.now():%Y%m%d-%H%M%S}.mp4")
    with progress("starting") as listener:
        video = countermark.generate(
            prompt,
            output,
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
            negative_prompt=negative,
            consents=consent or (),
            seed=seed,
            steps=steps,
            guidance=guidance,
            model=model,
            overwrite=overwrite,
            on_step=listener.on_step,
            on_progress=listener.on_progress,
            on_preview=listener.on_preview,
        )
    return Outcome(pages.generated_page(video), result=video, as_json=as_json)


@app.command()
def verify(
    path: Examined,
    manifest: Annotated[
        Path | None,
        typer.Option(metavar="FILE.c2pa", parser=_path, help="The manifest of a video that does not carry it."),
    ] = None,
    crosscheck: Annotated[bool, typer.Option("--crosscheck", help="Ask a second, independent validator too.")] = False,
    fetch: Annotated[
        bool, typer.Option("--fetch", help="Fetch a manifest that is kept elsewhere; ask about revocation.")
    ] = False,
    similar: Annotated[bool, typer.Option("--similar", help="Look by the picture too; approximate, with a score.")] = (
        False
    ),
    timeline: Annotated[bool, typer.Option("--timeline", help="Say which stretches carry which watermark.")] = False,
    noise: Annotated[
        bool, typer.Option("--noise", help="Look for the noise that the bundled model drew from, too.")
    ] = False,
    as_json: AsJson = False,
) -> Outcome:
    """Say where a video or picture comes from.

    Exits with 0 when its credentials hold or are recovered through the watermark, with 1 when it was tampered with,
    has no credentials, or its signer is not trusted here.
    """
    with progress(f"verifying {path}"):
        verification = countermark.verify(
            path, manifest=manifest, crosscheck=crosscheck, similar=similar, fetch=fetch, timeline=timeline, noise=noise
        )
    code = YES if verification.conclusion in ("verified", "recovered") else NEGATIVE
    return Outcome(pages.verification_page(verification), code, verification, as_json)


@app.command()
def screen(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", parser=_path, help="Video files, or folders of them.", show_default=False),
    ],
    *,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html", parser=_path, help="Write a page with the evidence; a folder for several videos."
        ),
    ] = None,
    language: Annotated[Literal["en", "zh"], typer.Option(help="Language of the page.")] = "en",
    depth: Annotated[
        Literal["full", "settled", "fast"],
        typer.Option(help="Look at everything; only until credentials or labels settle it; or only at those."),
    ] = "full",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Processes for several videos; default one a core.")
    ] = None,
    as_json: AsJson = False,
) -> Outcome:
    """Look for signs that videos were generated or manipulated.

    Exits with 1 when signs were found without a verified origin, or the credentials are broken; otherwise with 0, also
    when the evidence is inconclusive. Of several videos one is enough for 1; without any, 4 says that one of them could
    not be read, or its report not be written.
    """
    if len(paths) == 1 and not paths[0].is_dir():
        return screening.screen_file(paths[0], depth, report, language, as_json)
    return screening.screen_files(paths, depth, report, language, as_json, workers)


@app.command()
def check(
    prompt: Annotated[str | None, typer.Argument(help="What the video shows.", show_default=False)] = None,
    *,
    file: Annotated[
        str | None, typer.Option(metavar="FILE", help="One prompt a line, or JSON lines; - is stdin.")
    ] = None,
    audience: Annotated[str, typer.Option(help="Whose thresholds hold.")] = "general",
    as_json: AsJson = False,
) -> Outcome:
    """Ask the policy about a prompt, or about every prompt of a file, without generating anything.

    Exits with 3 when the prompt, or one of the file, is refused or a person would have to look at it first.
    """
    if (prompt is None) == (file is None):
        raise UsageError("Give either a prompt or --file.", remedy="See `countermark check --help`.")
    if file is not None:
        return check_file(file, audience, as_json)
    with progress("checking"):
        decision = countermark.check(prompt or "", audience=audience)
    code = YES if decision.allowed else PolicyRefusedError.exit_code
    return Outcome(pages.decision_page(decision), code, decision, as_json)


@app.command()
def protect(
    path: Video,
    *,
    output: Output = None,
    overwrite: Overwrite = False,
    sidecar: Annotated[bool, typer.Option("--sidecar", help="Put the manifest beside the video, not into it.")] = False,
    remote: Annotated[bool, typer.Option("--remote", help="Keep the manifest in the registry; name its address.")] = (
        False
    ),
    remux: Annotated[bool, typer.Option("--remux", help="Let Matroska, WebM and the like become MP4.")] = False,
    closed_loop: Annotated[
        int | None,
        typer.Option(
            "--closed-loop",
            metavar="CRF",
            parser=_rate_factor,
            help="Try H.264 at this rate factor (18 to 51; 40 is harsh) while marking, and make the watermark no "
            "stronger than it takes; several times slower.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> Outcome:
    """Seal a copy of a video that was made elsewhere.

    Nothing is claimed about how it was made. Without -o the copy is NAME.sealed.mp4 beside the original, which is never
    changed.
    """
    if sidecar and remote:
        raise UsageError("A manifest is either beside the video or remote.", remedy="Choose one of them.")
    delivery: Delivery = "sidecar" if sidecar else "remote" if remote else "embedded"
    settings = get_settings()
    if closed_loop is not None:
        settings = settings.model_copy(update={"closed_loop_crf": closed_loop})
    with progress(f"protecting {path}") as listener:
        video = countermark.protect(
            path,
            output,
            overwrite=overwrite,
            delivery=delivery,
            remux=remux,
            settings=settings,
            on_step=listener.on_step,
        )
    return Outcome(pages.sealed_page(video), result=video, as_json=as_json)


# After the five verbs, so that help lists them in this order.
app.command()(serving.serve)
app.command()(serving.worker)
app.command()(serving.audit)


@weights.command()
def fetch() -> Outcome:
    """Download the image encoder of detector and policy, and what reads words in pictures, once; without them neither
    frames nor words in uploads are examined."""
    from countermark.core.weights import FETCHED
    from countermark.core.weights import fetch as fetch_asset

    rows = []
    for asset in FETCHED:
        with progress(f"fetching {asset.name}"):
            rows.append(Row(asset.name, str(fetch_asset(asset).path)))
    return Outcome(Page("Weights are in place", "Their SHA-256 was checked.", tuple(rows)))


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"countermark {version('countermark')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Options of the program itself."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line (default: this process's) and return the exit code. Nothing escapes as a traceback."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in (words[: words.index("--")] if "--" in words else words)
    if not os.environ.get(DEBUG):
        warnings.simplefilter("ignore")  # libraries' remarks to programmers
    _open_missing_streams()
    # Torch's threads wait for each other asleep: awake, they hold up each other where other work shares the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    stopping.listen()
    if isinstance(sys.stdout, io.TextIOWrapper) and isinstance(sys.stderr, io.TextIOWrapper):
        # JSON is UTF-8 whatever the locale; a terminal that lacks a sign shows "?" instead of failing.
        sys.stdout.reconfigure(encoding="utf-8" if as_json else None, errors="replace")
        sys.stderr.reconfigure(errors="replace")
    try:
        try:
            code = _run(words)
        finally:
            stopping.check()  # an error may be what became of a signal, and so may a success
    except stopping.StoppedError as stop:
        with _whether_or_not_it_is_read(sys.stderr):
            print("countermark: interrupted; no unfinished file is left.", file=sys.stderr)
        code = stop.exit_code
    except BrokenPipeError:  # the reader of our output has gone, as `head` does
        _discard(sys.stdout)
        code = 128 + signal.SIGPIPE
    except Exception as error:  # noqa: BLE001  # the outermost frame: here everything becomes one line
        failure = failure_from(error)
        if as_json:
            with _whether_or_not_it_is_read(sys.stdout):
                print(json.dumps(failure.as_json(), indent=2, ensure_ascii=False))
        with _whether_or_not_it_is_read(sys.stderr):
            show_failure(failure, error)
        code = failure.exit_code
    return code


def _open_missing_streams() -> None:
    """Stand in for standard streams that were closed before we began, which Python has none for."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115  # for the process's life
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


@contextmanager
def _whether_or_not_it_is_read(stream: IO[str]) -> Iterator[None]:
    """What cannot be printed about a failure does not change the exit code, which would then say something else."""
    try:
        yield
        stream.flush()
    except (OSError, UnicodeError):
        _discard(stream)


def _discard(stream: IO[str]) -> None:
    """Send what is still in the buffer of a stream, and all that follows, nowhere."""
    with suppress(OSError, ValueError), Path(os.devnull).open("w") as nowhere:  # ValueError: it is no file, or closed
        os.dup2(nowhere.fileno(), stream.fileno())


def _run(words: Sequence[str]) -> int:
    """Run one command and print its outcome."""
    _check_encoding(words)
    try:
        # Typer gives an exit code for --help and --version, and our Outcome for everything else.
        outcome = typer.main.get_command(app).main(list(words), prog_name="countermark", standalone_mode=False)
    except typer.TyperException as error:
        if error.format_message():
            raise
        return UsageError.exit_code  # asked for nothing, Typer has printed the help
    if not isinstance(outcome, Outcome):
        return int(outcome or YES)
    _print(outcome)
    return outcome.exit_code


def _print(outcome: Outcome) -> None:
    if outcome.as_json and outcome.result is not None:
        print(outcome.result.model_dump_json(indent=2))
    else:
        show(outcome.page)
    sys.stdout.flush()


def _check_encoding(words: Sequence[str]) -> None:
    try:
        "".join(words).encode()
    except UnicodeEncodeError:
        raise UsageError("An argument is not valid UTF-8.", remedy="Rename the file, or correct the text.") from None
