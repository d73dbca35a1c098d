"""The demo checks itself; here it is checked that it does, and what it leaves."""

from __future__ import annotations

import subprocess
import sys

from PIL import Image

import countermark
from countermark import demo


def test_the_demo_ends_well_and_writes_only_into_its_folder(desk):
    elsewhere = f"COUNTERMARK_DATABASE_URL=sqlite:///{desk.home / 'elsewhere.db'}"
    (desk.folder / ".env").write_text(elsewhere)
    environment = desk.environment | dict([elsewhere.split("=", 1)])
    command = [sys.executable, "-m", "countermark.demo", "shown"]
    done = subprocess.run(
        command, cwd=desk.folder, env=environment, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    shown = desk.folder / "shown"
    made = {"clip.mp4", "copy-without-metadata.mp4", "contact-sheet.png"}
    assert {path.name for path in shown.iterdir()} == made | {"home"}
    assert list(desk.home.iterdir()) == []
    for step in ("Refused", "sample", "Verified", "Recovered", "Verified origin"):
        assert step in done.stdout
    last = done.stdout.split("6. Files")[1]
    assert all(f"shown/{name}" in last for name in made)
    with Image.open(shown / "contact-sheet.png") as sheet:
        assert sheet.width > 1000
        assert len(sheet.getcolors(1 << 24)) > 300


def test_the_demo_fails_when_a_step_does(monkeypatch, capsys, tmp_path):
    allowed = countermark.check("a red balloon rising over the sea")
    monkeypatch.setattr(countermark, "check", lambda prompt: allowed)
    monkeypatch.setattr(sys, "argv", ["demo", str(tmp_path / "shown")])
    for name in ("HOME", "DATABASE_URL"):
        monkeypatch.setenv(f"COUNTERMARK_{name}", "")  # put back when the demo has set them
    assert demo.main() == 4
    assert "the policy's action was 'allow'" in capsys.readouterr().err
