"""auditor schema."""

from __future__ import annotations

import json

import click


@click.command("schema", short_help="Print the JSON Schema of audit.yaml or findings.json.")
@click.argument("kind", type=click.Choice(["audit", "findings"]), default="audit")
def command(kind: str) -> int:
    """Print the JSON Schema of an audit file (default) or of findings.json, for editors and scripts.

    \b
    Example:
      auditor schema > audit.schema.json
      auditor schema findings
    """
    from auditor.config.schema import audit_schema, findings_schema

    click.echo(json.dumps(audit_schema() if kind == "audit" else findings_schema(), indent=1))
    return 0
