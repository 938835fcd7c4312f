"""The text of an expression, as a tree of Python's grammar; nothing in it is ever run."""

from __future__ import annotations

import ast
import keyword
import re

from auditor.core.errors import ConfigError

QUOTED = re.compile(r"`([^`]+)`")


def parse(text: str) -> ast.expr:
    """Return the tree of a rule's text (ConfigError: not an expression)."""
    try:
        return ast.parse(QUOTED.sub(lambda found: _quoted(found[1]), text.strip()), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConfigError(
            f"rule '{text}': expected an expression such as \"relationship == 'Husband'\", but"
            f" {getattr(error, 'msg', error) or 'it is nested too deeply'}."
        ) from None


def _quoted(name: str) -> str:
    """Return a name that Python's grammar takes and leaves as it is: no keyword, and nothing that it
    would normalise.
    """
    plain = name.isascii() and name.isidentifier() and not keyword.iskeyword(name)
    return name if plain else "_q_" + name.encode().hex()


def unquoted(identifier: str) -> str:
    """Return the column that a name in a tree stands for."""
    return bytes.fromhex(identifier[3:]).decode() if re.fullmatch(r"_q_[0-9a-f]+", identifier) else identifier
