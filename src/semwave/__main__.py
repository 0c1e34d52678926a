"""``python -m semwave``: the command."""

from semwave.apps.cli import app

app(prog_name="semwave")
