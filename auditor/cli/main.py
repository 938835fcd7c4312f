"""The command `auditor`: its commands, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NoReturn

import click

from auditor.core.errors import AuditorError, BrokenOff, nearest

COMMANDS = ("demo", "init", "masks", "validate", "plan", "run", "judge", "render", "verify", "batch", "schema", "list")
EXIT_CODES = (
    "Exit codes: 0 nothing failed; 1 a finding failed; 2 usage, or an input that cannot be used; 3 nothing failed, but"
    " something is inconclusive or was not measured (with --fail-on inconclusive); 4 the run broke off and can be"
    " resumed; 70 Auditor itself failed, which says nothing about the model; 130 interrupted (resumable)."
)

SOFTWARE = 70
"""Exit code of a defect of Auditor itself: EX_SOFTWARE of sysexits.h, far from the codes that speak of findings."""
MOST_LETTERS = 300


class Commands(click.Group):
    """The commands in the order of their use, each loaded from its own file."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command (UsageError with the nearest name where there is none)."""
        if cmd_name not in COMMANDS:
            raise click.UsageError(f"no command '{cmd_name}'; {nearest(cmd_name, COMMANDS)}")
        command: click.Command = import_module(f"auditor.cli.{cmd_name}").command
        return command


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120}, epilog=EXIT_CODES
)
@click.version_option(package_name="auditor")
def cli() -> None:
    """Find out whether a trained classifier looks where the expert says it should.

    Masked attacks that may not touch what matters, the controls that make them mean something, robustness per group,
    stability of explanations, and a report that a committee can rely on.

    \b
    Example:
      auditor demo image            see what an audit looks like
      auditor init FOLDER           write a commented audit.yaml for your own data
      auditor run audit.yaml --out DIR
      auditor verify DIR
    """


def failed(error: BaseException) -> int:
    """Say in one sentence on stderr that Auditor itself failed and where the log with the traceback lies; return the
    exit code.
    """
    import tempfile
    import traceback
    from importlib.metadata import version

    what = " ".join(f"{type(error).__name__}: {error}".split())[:MOST_LETTERS]
    details = (
        f"auditor {version('auditor')}, Python {sys.version}\n{sys.argv}\n{''.join(traceback.format_exception(error))}"
    )
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="auditor-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as log:
            log.write(details)
        where = f"the log with the details is {log.name}"
    except OSError as full:
        where = f"a log could not be written ({str(full.strerror).lower()}), so the details follow:\n{details}"
    click.echo(f"Auditor itself failed ({what}), which says nothing about the model; {where}", err=True)
    return SOFTWARE


def main() -> NoReturn:
    """Run the command line and exit with the documented code."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted; run the same command again to resume.", err=True)
        sys.exit(130)
    except BrokenOff as error:
        click.echo(f"Broken off: {error}", err=True)
        sys.exit(4)
    except AuditorError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except SystemExit as error:
        # click exits by itself where a pipe was closed; any other exit is of code that was called, and its code would
        # pass for one of ours
        by_click = error.__traceback__ and error.__traceback__.tb_next and error.__traceback__.tb_next.tb_next is None
        sys.exit(0 if by_click else failed(error))
    except Exception as error:
        sys.exit(failed(error))
    sys.exit(code if isinstance(code, int) else 0)
