"""Every line is answered with one line, whatever stands in it and whatever the locale is."""

import json
import os
import pathlib
import subprocess
import sys

from nightjar_wire import map as maps

PACKAGE = pathlib.Path(__file__).parents[1]
SAYS = {"do": "map", "map": maps.write({1: 0, 2: 0, 3: "夜 🦉"}, 1).data.hex(), "expiry": 1}


def answers(*lines):
    environment = os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONPATH": str(PACKAGE)}
    command = [sys.executable, "-m", "nightjar_wire.check"]
    out = subprocess.run(command, input=b"\n".join(lines), capture_output=True, env=environment, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def test_lines_are_utf_8_in_every_locale():
    assert answers(json.dumps(SAYS).encode())[0]["says"]["content"] == "夜 🦉"
    made = {"do": "make", "form": 1, "network": 0, "target": "00" * 16, "expiry": 1, "entries": {"1": 0, "2": 0, "3": "夜 🦉"}}
    assert answers(json.dumps(made, ensure_ascii=False).encode())[0]["map"] == SAYS["map"]


def test_a_line_that_is_no_request_is_answered_and_so_is_the_next():
    odd = [b"\xff", b"[" * 200_000, b'{"do":"\xff"}', rb'{"do":"make","form":"\ud800"}', b"null"]
    out = answers(*(line for each in odd for line in (each, json.dumps(SAYS).encode())))
    assert len(out) == 2 * len(odd)
    assert all("error" in answer for answer in out[::2]) and all(answer["ok"] for answer in out[1::2])
