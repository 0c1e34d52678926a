"""The ``semwave`` command."""
