"""Random numbers of the air: every picture has its own, from a seed and its name."""

import hashlib

import torch


def noise_generator(seed: int, name: str) -> torch.Generator:
    """The generator of the noise that a photo called ``name`` meets."""
    digest = hashlib.sha256(f"{seed}:{name}".encode("utf-8", "surrogateescape")).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)
