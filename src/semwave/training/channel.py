"""Stage 2 again, for codec and flow alone: photographs' codes stay what they are, whatever arrives of them learns.

    coordinates of photographs -> flow -> codec -> any k, 0 to 20 dB, some symbols lost
                               -> codec -> inverse flow -> codes
                               -> picture, 128 px -> MSE, LPIPS, likeness of the face

An inversion that takes seconds of gradients is not repeated at every step, so a step costs a picture of 128 px.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from semwave.air.iq import noise_power
from semwave.coding.plan import Plan
from semwave.model import FaceModel
from semwave.pictures.images import SKETCH, resized
from semwave.pictures.metrics import LPIPS
from semwave.training.codec import compare_pictures, draw_k, draw_snr_db
from semwave.training.data import pick, to_float
from semwave.training.encoder import MSE_WEIGHT
from semwave.training.identity import FaceIdentity
from semwave.training.loop import Schedule, fit

SNR_DB = (0.0, 20.0)
CODES_ALONE = 0.2
"""Share of batches in which codes are sent without a residual, as in the paper."""
LOSSY = 0.2
"""Share of batches in which symbols are lost, up to half of them."""
HIGHEST_K = 4096
"""The most symbols of a signal; codes get hardly more power with more."""
CODE_WEIGHT = 0.05
LIKENESS_WEIGHT = 0.15
LPIPS_WEIGHT = 0.5


def random_plan(model: FaceModel, random: torch.Generator) -> Plan:
    """A plan that ``model`` may have for a signal; with a residual as a rule."""
    if model.residual is None or torch.rand((), generator=random) < CODES_ALONE:
        return model.plan(min(draw_k(model.config.highest_k, random), model.codec.symbols), False)
    return model.plan(draw_k(HIGHEST_K, random), True)


class _Ends(nn.Module):
    """Both ends of the channel: what learns."""

    def __init__(self, model: FaceModel):
        super().__init__()
        self.flow, self.codec = model.flow, model.codec


def train_channel(
    model: FaceModel, images: Tensor, coordinates: Tensor, lpips: LPIPS, run: Path, schedule: Schedule,
    precision: str = "bf16", identity: FaceIdentity | None = None,
) -> FaceModel:  # fmt: skip
    """Train codec and flow of ``model`` on ``coordinates`` (N, codes, coordinates) of photographs ``images`` (N, 3, S,
    S) uint8, S at least 128. With ``identity`` the face is to be the same person's for that network, too."""
    model.requires_grad_(False)

    def loss(ends: _Ends, step: int, random: torch.Generator, device: torch.device) -> dict[str, Tensor]:
        index = pick(len(images), schedule.batch, random)
        truth = resized(to_float(images[index]), SKETCH).to(device)
        snr_db = draw_snr_db(len(index), random, SNR_DB)
        plan = random_plan(model, random)
        lost = torch.rand((), generator=random) < LOSSY
        share = 0.5 * torch.rand((), generator=random)
        with torch.autocast(device.type, enabled=False):
            sent = ends.codec.encode(ends.flow(coordinates[index].float().to(device)))
            # Symbols keep the variance that the plan believes in.
            spread = (sent.square().mean(0) - 1).square().mean() + sent.mean(0).square().mean()
            sent = plan.sent(sent)
            symbols, noise = plan.over_noise(sent, noise_power(snr_db)[:, None].to(device), random)
            if lost:
                gone = (torch.rand(symbols.shape, generator=random) < share).to(device)
                symbols, noise = symbols.masked_fill(gone, 0.0), noise.masked_fill(gone, torch.inf)
            arrived = ends.flow.inverse(ends.codec.decode(symbols, noise))
            code = (arrived - coordinates[index].float().to(device)).square().mean()
        drawn = model.native.images(model.space.codes(arrived), (SKETCH,))
        squared, distance = compare_pictures(lpips, drawn, truth)
        total = (MSE_WEIGHT * squared + LPIPS_WEIGHT * distance).mean() + CODE_WEIGHT * code + 0.01 * spread
        if identity is not None:
            with torch.no_grad():
                who = identity(truth)
            total = total + LIKENESS_WEIGHT * (1 - (identity(drawn[SKETCH]) * who).sum(1)).mean()
        psnr = (10 * torch.log10(4 / squared.detach())).mean()
        return {"loss": total, "psnr": psnr, "lpips": distance.mean(), "code": code, "spread": spread}

    fit(_Ends(model).requires_grad_(True), loss, schedule, run, precision)
    with torch.no_grad():
        model.codec.settle(torch.cat([model.flow(rows.float()) for rows in coordinates.split(256)]))
    return model
