"""A page for a Hugging Face Space, or with ``python app.py`` for this machine: a face over a noisy channel.

photograph -> face, in the frame -> k real symbols -> AWGN or Rayleigh fading -> picture, PSNR, constellation

``semwave serve`` is the fuller page. This one shows how few lines an application of the library takes.
"""

import gradio
import numpy as np
from matplotlib.figure import Figure

from semwave import Receiver, SemwaveError, Transmitter, air
from semwave.air.iq import to_complex
from semwave.pictures import align, images
from semwave.pictures.metrics import psnr
from semwave.privacy.settings import Privacy
from semwave.zoo import config_of

MODEL, SIZE = "faces-512", 512
PARTS = config_of(MODEL).layout.parts
SHOWN = 3.0
"""Amplitude at the edges of the constellation."""


def send(photograph: np.ndarray | None, k: float, snr_db: float, channel: str, hidden: list[str], seed: float):
    """Face sent, face received, constellation and figures of ``photograph``, uint8 (H, W, 3)."""
    if photograph is None:
        raise gradio.Error("Give a photograph first.")
    try:
        sent = align.align(photograph, SIZE)
        transmitter = Transmitter(MODEL, k=2 * round(k / 2), privacy=Privacy(tuple(hidden)) if hidden else None)
        signal = transmitter(images.to_tensor(sent))
        soft = air.CHANNELS[channel](snr_db, random=int(seed))(signal)
        received = images.to_uint8(Receiver(MODEL)(soft)[0])
    except SemwaveError as error:
        raise gradio.Error(str(error)) from None
    quality = psnr(images.to_tensor(sent), images.to_tensor(received), data_range=2).item()
    k = signal.header.k
    figures = f"PSNR {quality:.2f} dB with k = {k}, {k // 2} complex symbols, k/n = {k / (3 * SIZE**2):.5f}"
    return sent, received, _constellation(to_complex(soft.symbols)[0].numpy()), figures


def _constellation(symbols: np.ndarray) -> Figure:
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(symbols.real, symbols.imag, ".", markersize=2)
    axes.set(xlim=(-SHOWN, SHOWN), ylim=(-SHOWN, SHOWN), aspect="equal", xlabel="in phase", ylabel="quadrature")
    return figure


page = gradio.Interface(
    send,
    [
        gradio.Image(label="Photograph", sources=["upload", "webcam"]),
        gradio.Slider(64, 32768, 2560, step=2, label="Real symbols k"),
        gradio.Slider(-10, 30, 10, step=0.5, label="SNR (Es/N0) in dB"),
        gradio.Dropdown(list(air.CHANNELS), value="awgn", label="Channel"),
        gradio.CheckboxGroup(list(PARTS), label="Hidden parts: not read, drawn as somebody else's"),
        gradio.Number(0, label="Seed of the noise", precision=0, minimum=0),
    ],
    [
        gradio.Image(label="Sent", format="png"),
        gradio.Image(label="Received", format="png"),
        gradio.Plot(label="Received symbols"),
        gradio.Textbox(label="Measured"),
    ],
    title="semwave",
    description="A photograph of a face as a few hundred real numbers over a noisy channel, and drawn again.",
    flagging_mode="never",
    delete_cache=(600, 600),
)
page.queue(max_size=8, default_concurrency_limit=1)

if __name__ == "__main__":
    page.launch()
