"""The README's commands block is what the commands themselves say; `make readme` writes it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from click.testing import CliRunner

from auditor.cli.main import COMMANDS, cli

README = Path(__file__).resolve().parent.parent / "README.md"
BLOCK = re.compile(r"(<!-- help -->\n).*?(<!-- /help -->)", re.DOTALL)


def block() -> str:
    """Return the help of `auditor` and of each of its commands as one fenced text."""
    calls = [["--help"], *([name, "--help"] for name in COMMANDS)]
    texts = []
    for call in calls:
        ended = CliRunner().invoke(cli, call, prog_name="auditor", terminal_width=120)
        assert ended.exit_code == 0, ended.output
        texts.append(ended.output.rstrip())
    return "```text\n" + "\n\n".join(texts) + "\n```\n"


def test_the_readme_agrees_with_the_commands() -> None:
    assert BLOCK.search(README.read_text(encoding="utf-8")), "README.md has no help block"
    assert block() in README.read_text(encoding="utf-8"), "run `make readme`"


if __name__ == "__main__":
    sys.stdout.write("README.md written\n")
    README.write_text(
        BLOCK.sub(lambda found: found[1] + block() + found[2], README.read_text(encoding="utf-8")), encoding="utf-8"
    )
