"""Schemes by name, ours and yours.

| name                    | what it is                                                               |
| ----------------------- | ------------------------------------------------------------------------ |
| faces-512-k64 ... -k32768 | semwave, the shipped model at k real symbols                            |
| faces-512-codes-k64 ... -k512 | the same, but codes are all that is sent, as in the paper           |
| deep-jscc-k2560, -k32768 | Deep JSCC at 10/3072 and at 1/24 of a 512 px picture                     |
| separation-k...         | image codec, 5G LDPC and QAM for the SNR at hand; k 256, 2560, 32768      |
| separation-k...-for-10dB | the same, the code held to that for 10 dB: the cliff                     |
| ideal-k...              | image codec and an ideal code at capacity: the bound of separation        |
| ideal-jpeg2000-k32768   | the same with JPEG 2000 alone, which Deep JSCC was published against     |
| any other               | what an installed package offers under the entry point semwave.schemes   |
| module:Name             | your own: anything that, called, gives a :class:`~.scheme.Scheme`         |
"""

from collections.abc import Callable
from functools import partial

from semwave.air.channels import CHANNELS
from semwave.baselines.deep_jscc import LAYOUTS, trained
from semwave.baselines.separation import HELD_SNR_DB, Ideal, Separation
from semwave.errors import SemwaveError
from semwave.evaluation.ours import shipped
from semwave.evaluation.scheme import Scheme
from semwave.plugins import Register, made
from semwave.zoo import CODES, MODELS, config_of, models_with_codes

KS = (256, 2560, 32768)
"""Those over all SNRs and both channels: 1/3072, 10/3072 and 1/24 of a picture of 512 px."""
SWEPT_KS = (64, 128, 512, 1024, 5120, 10240, 20480)
"""Further ones for Fig. 5, over k / n at one SNR."""
CODES_KS, SWEPT_CODES_KS = (256, 512), (64, 128)
Schemes = dict[str, Callable[[], Scheme]]


def _codes_alone(ks: tuple[int, ...]) -> Schemes:
    return {
        f"{name}-codes-k{k}": partial(shipped, name, k, (CODES,))
        for name in models_with_codes()
        for k in ks
        if config_of(name).residual and k <= config_of(name).codec.symbols
    }


OURS: Schemes = {f"{name}-k{k}": partial(shipped, name, k) for name in MODELS for k in KS if config_of(name).offers(k)}
SWEPT: Schemes = {
    f"{name}-k{k}": partial(shipped, name, k)
    for name in models_with_codes()
    for k in SWEPT_KS
    if config_of(name).offers(k)
} | _codes_alone(SWEPT_CODES_KS)
CODES_ALONE: Schemes = _codes_alone(CODES_KS)
DEEP_JSCC: Schemes = {f"deep-jscc-k{k}": partial(trained, k) for k in sorted(LAYOUTS)}
SEPARATION: Schemes = {f"separation-k{k}": partial(Separation, k) for k in KS}
HELD: Schemes = {f"separation-k{k}-for-{HELD_SNR_DB:g}dB": partial(Separation, k, HELD_SNR_DB) for k in KS}
IDEAL: Schemes = {
    **{f"ideal-k{k}": partial(Ideal, k) for k in KS},
    "ideal-jpeg2000-k32768": partial(Ideal, 32768, "JPEG 2000"),
}
SCHEMES: Register[Callable[[], Scheme]] = Register(
    "semwave.schemes", {**OURS, **SWEPT, **CODES_ALONE, **DEEP_JSCC, **SEPARATION, **HELD, **IDEAL}
)
"""Those of the paper's figures, and by name what installed packages offer."""
AWGN_ALONE = {*SWEPT, *CODES_ALONE, *HELD, *IDEAL}
"""Capacity is that of AWGN, a cliff under fading is no cliff, and codes alone stand for the paper's figures."""


def channels(name: str, sampled: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The channels over which the scheme called ``name`` is measured; where it can be, by a modem over ``sampled``
    too."""
    return ("awgn", *(() if name in IDEAL else sampled)) if name in AWGN_ALONE else (*CHANNELS, *sampled)


def find_scheme(name: str) -> Scheme:
    """The scheme called ``name``, or what ``Name()`` gives for "module:Name"; modules of the working folder are found.

    Raises:
        SemwaveError: there is none of this name, it cannot be imported, or what it needs is missing.
    """
    if name not in SCHEMES and ":" not in name:
        known = ", ".join(SCHEMES.names())
        raise SemwaveError(f"unknown scheme '{name}'; the schemes are {known}, or your own as module:Name")
    entry = name if ":" in name and name not in SCHEMES else SCHEMES[name]
    scheme = made(entry, f"scheme '{name}'")
    if not all(hasattr(scheme, part) for part in ("name", "key", "send")):
        raise SemwaveError(f"'{name}' is not a scheme: it needs name, key and send(image, link)")
    return scheme
