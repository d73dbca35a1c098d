"""What is printed: one line for any error, and nothing that a terminal would obey."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import countermark
from countermark.cli import main
from countermark.cli.page import Page, Row, counted, printable, show
from countermark.cli.progress import progress

pytestmark = pytest.mark.usefixtures("restored_signals")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x9b31m", "a\rb", "\u202egnp.exe", "\ud800", "one\u2028two"])
def test_nothing_printed_can_drive_the_terminal(hostile):
    stream = io.StringIO()
    show(Page("Verified", hostile, (Row("title", hostile),)), stream)
    assert not set(hostile) & set("\x1b\x9b\r\u202e\ud800\u2028") & set(stream.getvalue())
    assert len(stream.getvalue().splitlines()) == 2
    assert printable("气球 🎈 [bold]é[/bold]") == "气球 🎈 [bold]é[/bold]"


def test_long_texts_are_wrapped_beside_their_labels_on_a_terminal_only(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("TERM", "xterm")
    page = Page("Verified", rows=(Row("integrity", "word " * 30, "✓", "green"),))
    terminal, pipe = Terminal(), io.StringIO()
    show(page, terminal)
    show(page, pipe)
    wrapped = re.sub(r"\x1b\[[0-9;]*m", "", terminal.getvalue()).splitlines()
    assert len(wrapped) > 3
    assert all(len(line) <= 60 for line in wrapped)
    assert all(line.startswith(" " * 15 + "word") for line in wrapped[2:])
    assert len(pipe.getvalue().splitlines()) == 2


def test_an_error_nobody_foresaw_is_one_line(monkeypatch, capsys):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr(countermark, "check", broken)
    monkeypatch.delenv("COUNTERMARK_DEBUG", raising=False)
    assert main(["check", "a red balloon"]) == 4
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "countermark: internal error, RuntimeError: first line. Run again with COUNTERMARK_DEBUG=1 for the traceback."
    ]
    monkeypatch.setenv("COUNTERMARK_DEBUG", "1")
    assert main(["check", "a red balloon"]) == 4
    assert "Traceback" in capsys.readouterr().err


def test_a_name_that_looks_like_an_option_is_told_how_to_be_none(capsys):
    assert main(["verify", "-clip.mp4"]) == 2
    assert 'put -- before what is no option but begins with "-".' in capsys.readouterr().err


def test_one_of_a_thing_is_not_many():
    said = [counted(number, what) for number, what in ((1, "video"), (0, "video"), (1, "entry"), (2, "entry"))]
    assert said == ["1 video", "0 videos", "1 entry", "2 entries"]


def test_a_head_that_is_not_there_is_not_called_another_file(capsys):
    assert main(["registry", "audit", "--against", "missing.json"]) == 2
    assert "missing.json cannot be read: No such file or directory." in capsys.readouterr().err


def test_a_value_that_is_none_is_named_without_the_librarys_word_for_it(capsys):
    assert main(["generate", "a ball", "--direction", "up"]) == 2
    assert "'--direction': 'up' is not one of" in capsys.readouterr().err


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_cannot_be_printed_changes_no_exit_code(monkeypatch, stream):
    """1, which an exception would give, would say that something speaks against the file."""
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, stream, full)
        assert main(["verify", "missing.mp4", "--json"]) == 4


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_that_was_closed_beforehand_is_no_failure(monkeypatch, stream):
    monkeypatch.setattr(sys, stream, None)
    assert main(["--version"]) == 0
    assert main(["verify", "missing.mp4"]) == 4


def test_an_error_of_the_system_names_the_file(monkeypatch, capsys):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "/somewhere/out.mp4")

    monkeypatch.setattr(countermark, "protect", full)
    assert main(["protect", "a.mp4"]) == 4
    assert "/somewhere/out.mp4: No space left on device." in capsys.readouterr().err


def test_a_preview_is_drawn_below_the_bar_and_gone_afterwards(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    thumbnail = np.zeros((4, 6, 3), np.uint8)
    thumbnail[:2], thumbnail[2:] = (255, 0, 0), (0, 0, 255)
    with progress("starting") as listener:
        listener.on_progress(1, 2)
        listener.on_preview(thumbnail)
    drawn = terminal.getvalue()
    assert "▀" * 6 in re.sub(r"\x1b\[[0-9;]*m", "", drawn)
    assert "38;2;255;0;0;48;2;255;0;0m" in drawn
    assert "38;2;0;0;255;48;2;0;0;255m" in drawn
    assert drawn.endswith("\x1b[2K")


@pytest.mark.parametrize("name", ["a\x1b]0;owned\x07.mp4", "[/bold].mp4", "[red]x.mp4"])
def test_a_file_name_in_the_progress_neither_drives_the_terminal_nor_is_markup(monkeypatch, name):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    with progress(f"examining {name}") as listener:
        listener.on_step("verify", name)
    drawn = terminal.getvalue()
    assert "\x1b]" not in drawn and "\x07" not in drawn
    assert f"verify: {printable(name)}" in drawn
