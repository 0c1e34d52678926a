"""The same photograph by other schemes at the same number of symbols: separation, and Deep JSCC where it was trained.

In a worker of their own: an image codec that tries every quality would hold up who draws.
"""

from time import perf_counter
from typing import Literal

import torch

from semwave.air.channels import CHANNELS
from semwave.air.link import Link
from semwave.air.seeds import noise_generator
from semwave.apps.web.asked import OtherAnswer, Sending
from semwave.apps.web.studio import NAME, Photograph, base64_of, compared
from semwave.baselines.deep_jscc import LAYOUTS, trained
from semwave.baselines.separation import Separation
from semwave.errors import SemwaveError
from semwave.pictures import images
from semwave.pictures.metrics import LPIPS
from semwave.types import DELIVERED

DEEP_JSCC_SIZE = 512
Other = Literal["separation", "deep-jscc"]


@torch.no_grad()
def by_other(lpips: LPIPS | None, photo: Photograph, scheme: Other, k: int, asked: Sending) -> OtherAnswer:
    """``photo``, all of it, in ``k`` symbols over the channel of ``asked``; LPIPS(alex) where there is one.

    Raises:
        SemwaveError: a channel, a k or a size for which the scheme is not there.
    """
    if asked.channel not in CHANNELS:
        raise SemwaveError(f"other schemes are compared over {' and '.join(CHANNELS)}, not over {asked.channel}")
    if scheme == "deep-jscc" and (k not in LAYOUTS or photo.size != DEEP_JSCC_SIZE):
        trained_for = " and ".join(map(str, sorted(LAYOUTS)))
        raise SemwaveError(f"Deep JSCC was trained for k = {trained_for} at {DEEP_JSCC_SIZE} px alone")
    start = perf_counter()
    link = Link(CHANNELS[asked.channel], asked.snr_db, noise_generator(asked.seed, NAME))
    sender = Separation(k) if scheme == "separation" else trained(k)
    delivered = sender.send(images.to_tensor(photo.pixels), link)
    seconds = perf_counter() - start
    if delivered.outcome != DELIVERED:
        note = "; ".join(filter(None, (delivered.outcome, delivered.note)))
        return OtherAnswer(scheme=scheme, received=None, psnr_db=None, lpips_alex=None, note=note, seconds=seconds)
    picture = images.to_uint8(delivered.image[0])
    quality, distance = compared(lpips, photo, picture)
    return OtherAnswer(
        scheme=scheme,
        received=base64_of(images.encode_image(picture, ".png")),
        psnr_db=round(quality, 3),
        lpips_alex=distance,
        note=delivered.note,
        seconds=round(seconds, 3),
    )
