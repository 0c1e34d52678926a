"""Generative semantic communication of face photographs: a few hundred real numbers over a noisy channel."""

from importlib import import_module

from semwave.errors import SemwaveError

__version__ = "0.1.0"
__all__ = ["Privacy", "Receiver", "SemwaveError", "Transmitter", "__version__"]

_HOMES = {
    "Privacy": "semwave.privacy.settings",
    "Receiver": "semwave.receiver",
    "Transmitter": "semwave.transmitter",
}


def __getattr__(name: str) -> object:
    """The front door, imported on first use: ``import semwave`` alone must not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'semwave' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
