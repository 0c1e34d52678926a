"""``python -m semwave``: the command."""

from semwave.apps.cli import app

# A process of "semwave serve" imports this module, too.
if __name__ == "__main__":
    app(prog_name="semwave")
