"""The README's examples do what they say."""

import json
import pathlib
import re

from nightjar_wire import check

README = (pathlib.Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_example_runs():
    exec(re.search(r"```python\n(.*?)```", README, re.DOTALL)[1], {})


def test_the_line_is_answered_so():
    asked, answered = re.search(r'    (\{"do":"make".*)\n    (\{"ok".*)\n', README).groups()
    assert check.answer(asked) == json.loads(answered)
