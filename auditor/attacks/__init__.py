"""How an attacker searches: each attack is one function over the threat's verbs, for every norm, zone and modality."""

from collections.abc import Callable
from typing import Any

from auditor.core.registry import Registry

attacks: Registry[Callable[..., Any]] = Registry("attack", __name__)
