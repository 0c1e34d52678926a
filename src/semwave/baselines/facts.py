"""What a scheme is, by which tables, curves and claims of an evaluation sort it."""

from dataclasses import dataclass

SEMWAVE, FITTED, DEEP_JSCC, SEPARATION, IDEAL = "semwave", "fitted", "deep-jscc", "separation", "ideal"
"""Families of schemes: shipped models, models with fitted codecs, Deep JSCC, image codecs with a 5G code, with an ideal
code."""


@dataclass(frozen=True)
class Facts:
    """What a scheme says of itself.

    Args:
        family: :data:`SEMWAVE` ... :data:`IDEAL`; empty for a scheme of another kind.
        model: name of the model whose codes it sends; empty for a scheme without one.
        k: real symbols a picture; 0 where that is known only once a picture was sent.
        layers: what it sends of a model, of :data:`semwave.zoo.LAYERS`.
        flow: whether its codes pass a flow; None for a scheme without codes.
        channel_noise: whether it was trained through channel noise; None for one without training.
        held_snr_db: the Es/N0 in dB for which its code is made, whatever the channel's; None where the code follows.
        image_codec: the one image codec it uses; empty where it takes the best of several, or none.
    """

    family: str = ""
    model: str = ""
    k: int = 0
    layers: tuple[str, ...] = ()
    flow: bool | None = None
    channel_noise: bool | None = None
    held_snr_db: float | None = None
    image_codec: str = ""
