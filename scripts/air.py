"""Measure the modem: docs/over-the-air.md has the figures. One command each; every point is printed as it is done.

frames   found, missed and false frames, loss against known h, own SNR: simulated channel, or --gnuradio
noise    false alarms in so many samples of noise, and how fast they are looked at
pictures PSNR through the air, over AWGN at the SNR that each frame measured, and where h is known
doppler  loss against the largest Doppler shift
clipping peak over mean power, and what clipping costs

scripts/air_fuzz.py has hostile input; scripts/air_tables.py writes the tables of the page from the rows of --out.
"""

import argparse
import json
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from semwave import Receiver, Transmitter, air
from semwave.air.gnuradio import GnuRadioChannel
from semwave.air.iq import to_complex, to_reals
from semwave.air.modem import AMPLITUDE
from semwave.air.ofdm.frame import known_cells, peak_to_average_db
from semwave.air.ofdm.header import read_headers
from semwave.air.samples import SampleChannel
from semwave.air.transports import over_known
from semwave.evaluation.machine import machine
from semwave.evaluation.paper import photos_of
from semwave.model import load_model
from semwave.pictures.metrics import psnr
from semwave.pictures.photos import read_photo

SNRS_DB, KS, FACES, FRAMES_A_CHANNEL = (0, 5, 10, 20), (256, 2560), 12, 20
FLOWGRAPH = Path(__file__).parents[1] / "examples/gnuradio/channel.py"
RATE = 5e6
OFFSET, CLOCK_PPM = 1 / 64, 40
FIVE_TAPS = np.array([0, 1.3, 2.9, 5.2, 8.1])


def signals(model, k, data=None):
    """Signals of 12 random faces, or of the first 12 test photographs in the folder ``data``."""
    with torch.no_grad():
        if data:
            pictures = torch.cat([read_photo(photo.path, model.config.size, False) for photo in photos_of(data, FACES)])
        else:
            faces = model.sample(FACES, torch.Generator().manual_seed(0))
            pictures = torch.cat([model.generate(codes[None], model.config.size).image for codes in faces])
            pictures = pictures.clamp(-1, 1)
        sent = [Transmitter(model, k)(picture[None]) for picture in pictures]
    return pictures, sent


def echoes(kind, random):
    """Delays and amplitudes of one draw, of power one: what is measured is the receiver, not the luck."""
    if kind == "flat":
        return ((float(random.random()), 1.0),)
    if kind == "rayleigh":
        delays, powers = FIVE_TAPS + random.random(), 10 ** (-0.3 * np.arange(5))
        amplitudes = np.sqrt(powers / 2) * (random.normal(size=5) + 1j * random.normal(size=5))
    else:
        channel = SampleChannel(taps=kind, sample_rate=RATE, seed=int(random.integers(2**31)))
        delays, amplitudes = channel.echoes()
    amplitudes = amplitudes / np.sqrt(np.sum(abs(amplitudes) ** 2))
    return tuple(zip(map(float, delays), map(complex, amplitudes), strict=True))


def known_h_db(numerology, taps, snr_db):
    """Es/N0 in dB after despreading for a receiver that knows h: the MMSE filter's mean gain a gives a / (1 - a)."""
    carriers = numerology.used / numerology.carriers
    return of_response_db(numerology, sum(a * np.exp(-2j * np.pi * carriers * d) for d, a in taps), snr_db)


def of_response_db(numerology, response, snr_db):
    """The same of the response of the used carriers."""
    power = abs(response[~numerology.is_pilot]) ** 2
    share = np.mean(power / (power + 10 ** (-snr_db / 10)))
    return 10 * np.log10(share / (1 - share))


def within_reach(numerology, heard, clean, frame, noise):
    """Whether a receiver that knows place, offset and h reads the header of a lost frame in the samples ``heard``: h is
    what the ``clean`` ones, in which the ``frame`` was found, say of the header's cells. If not, no estimate helps."""
    rows, pilots = numerology.header_symbols, numerology.is_pilot
    first = frame.reception.start + numerology.preamble_samples + numerology.prefix // 2
    places = first + numerology.symbol * np.arange(rows)[:, None] + np.arange(numerology.carriers)
    turn = np.exp(-2j * np.pi * frame.reception.offset * places)
    sent = known_cells(numerology, frame.reception.header)[:rows, ~pilots]
    without, cells = (numerology.to_cells(turn * samples[places])[:, ~pilots] for samples in (clean, heard))
    h = np.sum(sent.conj() * without, 0) / np.sum(abs(sent) ** 2, 0)
    matched = (cells * h.conj()).reshape(1, -1)
    return read_headers(matched, np.full(matched.shape, noise)) == [frame.reception.header]


def measured(modem, sent, kind, snr_db, count, gnuradio, doppler=0.0):
    """What became of ``count`` frames."""
    random = np.random.default_rng(int(100 + snr_db))
    losses, estimates, refused, missed, reach, false, seconds = [], [], Counter(), 0, 0, 0, 0.0
    for first in range(0, count, FRAMES_A_CHANNEL):
        numbers = range(first, min(first + FRAMES_A_CHANNEL, count))
        offset, clock = random.uniform(-OFFSET, OFFSET), random.uniform(-CLOCK_PPM, CLOCK_PPM)
        parts = [np.zeros(300, np.complex64)]
        for number in numbers:
            parts += [modem.modulate(sent[number % FACES], number), np.zeros(random.integers(60, 700), np.complex64)]
        taps = echoes(kind, random)
        values = {"offset": offset, "clock_ppm": clock, "taps": taps, "seed": int(random.integers(1, 2**30))}
        if gnuradio:
            channel = GnuRadioChannel(FLOWGRAPH, AMPLITUDE * 10 ** (-snr_db / 20), **values)
        else:
            channel = SampleChannel(snr_db, doppler=doppler, **values)
        sent_samples = np.concatenate(parts)
        known = dict.fromkeys(numbers, known_h_db(modem.numerology, taps, snr_db))
        if gnuradio:
            # Its resampler has a response of its own: h is what the same flowgraph does without noise.
            for frame in modem.demodulate(replace(channel, noise=0.0)(sent_samples)):
                response = frame.reception.response / AMPLITUDE
                known[frame.number] = of_response_db(modem.numerology, response, snr_db)
        elif doppler:
            # The mean power of what arrives of the frame without noise: the same seed moves in the same way.
            clean, place = replace(channel, snr_db=None)(sent_samples), 300
            for number, part in zip(numbers, parts[1::2], strict=True):
                power = np.mean(abs(clean[place : place + len(part)]) ** 2) / np.mean(abs(part) ** 2)
                known[number] = snr_db + 10 * np.log10(power)
                place += len(part) + len(parts[2 * (number - first) + 2])
        heard = channel(sent_samples)
        samples = (heard * 10 ** random.uniform(-3, 1) * np.exp(2j * np.pi * random.random())).astype(np.complex64)
        start = time.process_time()
        results = modem.receive(samples)
        seconds += time.process_time() - start
        found = {}
        for result in results:
            if isinstance(result, air.Refusal):
                refused[result.why] += 1
            elif result.number in numbers and result.soft.header == sent[0].header and result.number not in found:
                found[result.number] = result
            else:
                false += 1
        lost = [number for number in numbers if number not in found]
        missed += len(lost)
        if lost and not gnuradio:
            clean = replace(channel, snr_db=None)(sent_samples)
            whole = {frame.number: frame for frame in modem.demodulate(clean)}
            noise = AMPLITUDE**2 * 10 ** (-snr_db / 10)
            reach += sum(
                within_reach(modem.numerology, heard, clean, whole[number], noise) for number in lost if number in whole
            )
        for number in numbers:
            if number in lost:
                continue
            symbols = to_complex(found[number].soft.symbols) - sent[number % FACES].iq
            true = -10 * np.log10(symbols.abs().square().mean().item())
            losses.append(known[number] - true)
            estimates.append(found[number].snr_db - true)
    return {
        "channel": kind,
        "through": "GNU Radio" if gnuradio else "SampleChannel",
        "carriers": modem.numerology.carriers,
        "k": sent[0].header.k,
        "snr_db": snr_db,
        "frames": count,
        "missed": missed,
        "missed_within_reach": None if gnuradio else reach,
        "false": false,
        "refused": dict(refused),
        "loss_db": round(float(np.mean(losses)), 3) if losses else None,
        "loss_p95_db": round(float(np.quantile(losses, 0.95)), 3) if losses else None,
        "snr_error_db": [round(float(np.mean(estimates)), 3), round(float(np.std(estimates)), 3)] if losses else None,
        "cpu_ms_a_frame": round(1e3 * seconds / count, 1),
    }


def frames(options, model, keep):
    modem = air.Modem(model, air.NUMEROLOGIES[options.carriers])
    for k in options.k:
        _, sent = signals(model, k)
        for kind in options.channel:
            for snr_db in options.snr:
                keep(measured(modem, sent, kind, snr_db, options.frames, options.gnuradio))


def noise(options, model, keep):
    modem, random = air.Modem(model, air.NUMEROLOGIES[options.carriers]), np.random.default_rng(0)
    stream, seconds, most = modem.stream(), 0.0, 0
    while stream.samples < options.samples:
        piece = random.standard_normal((2**20, 2), np.float32).view(np.complex64)[:, 0]
        start = time.process_time()
        stream.feed(piece)
        seconds, most = seconds + time.process_time() - start, max(most, stream.buffered)
    keep(
        {
            "samples": stream.samples,
            "false": stream.found,
            "refused": dict(stream.refused),
            "microseconds_a_sample_of_one_core": round(1e6 * seconds / stream.samples, 3),
            "most_buffered": most,
        }
    )


def pictures(options, model, keep):
    modem, receiver = air.Modem(model, air.NUMEROLOGIES[options.carriers]), Receiver(model)
    for k in options.k:
        photos, sent = signals(model, k, options.data)
        for kind in options.channel:
            for snr_db in options.snr:
                rows, missed = [], 0
                for draw in range(options.draws * len(sent)):
                    place, random = draw % len(sent), np.random.default_rng(draw)
                    taps = echoes(kind, random)
                    channel = SampleChannel(snr_db, 300.0, offset=0.012, clock_ppm=20, taps=taps, seed=draw)
                    found = modem.demodulate(channel(modem.modulate(sent[place])))
                    if len(found) != 1:
                        missed += 1
                        continue
                    told = over_known(channel, modem.numerology, sent[place])
                    softs = (found[0].soft, air.AWGN(found[0].snr_db, draw)(sent[place]), told)
                    with torch.no_grad():
                        drawn = [receiver(soft).clamp(-1, 1) for soft in softs]
                    rows.append([psnr(photos[place][None], picture, 2).item() for picture in drawn])
                mean = np.mean(rows, 0) if rows else [np.nan] * 3
                # Of the difference to known h: it is of the same faces and echoes, with other noise.
                apart = [row[0] - row[2] for row in rows]
                error = np.std(apart, ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else np.nan
                keep(
                    {"channel": kind, "k": k, "snr_db": snr_db, "pictures": len(rows), "missed": missed}
                    | {"of": options.data.name if options.data else "random faces"}
                    | dict(zip(("air_psnr_db", "awgn_at_own_snr", "known_h"), np.round(mean, 3), strict=True))
                    | {"standard_error_db": round(float(error), 3)}
                )


def doppler(options, model, keep):
    modem = air.Modem(model, air.NUMEROLOGIES[options.carriers])
    for k in options.k:
        _, sent = signals(model, k)
        for shift in (1e-5, 5e-5, 1e-4, 2e-4):
            row = measured(modem, sent, "flat", 20, options.frames, False, shift)
            keep(
                {name: row[name] for name in ("k", "frames", "missed", "loss_db", "snr_error_db")} | {"doppler": shift}
            )


def clipping(options, model, keep):
    for k in options.k:
        _, sent = signals(model, k)
        for clip_db in (None, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0):
            modem = air.Modem(model, air.NUMEROLOGIES[options.carriers], clip_db)
            noises, peaks = [], []
            for place, signal in enumerate(sent):
                samples = modem.modulate(signal)
                skip = modem.numerology.samples(64) - modem.numerology.symbol
                peaks.append(peak_to_average_db(samples[skip:]))
                (frame,) = modem.demodulate(SampleChannel(20.0, 100.0, seed=place)(samples))
                noises.append((frame.soft.symbols - to_reals(signal.iq)).square().mean().item())
            keep({"k": k, "clip_db": clip_db, "peak_db": np.mean(peaks), "snr_db": -10 * np.log10(np.mean(noises))})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("frames", "noise", "pictures", "doppler", "clipping"))
    parser.add_argument("--out", type=Path, required=True, help="JSON lines: what was measured")
    parser.add_argument("--frames", type=int, default=200)
    parser.add_argument("--samples", type=float, default=1e8, help="of noise")
    parser.add_argument("--draws", type=int, default=2, help="of echoes and noise for every picture")
    parser.add_argument("--data", type=Path, help="folder of aligned photographs, for pictures (default: random faces)")
    parser.add_argument("--carriers", type=int, default=64, choices=air.NUMEROLOGIES)
    parser.add_argument("--gnuradio", action="store_true")
    parser.add_argument("--k", type=int, nargs="*", default=KS)
    parser.add_argument("--snr", type=float, nargs="*", default=SNRS_DB)
    parser.add_argument("--channel", nargs="*", default=("flat", "rayleigh"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("a", encoding="utf-8") as file:

        def keep(row):
            row = {"what": options.what} | row
            row = {name: float(value) if isinstance(value, np.floating) else value for name, value in row.items()}
            print(json.dumps(row), flush=True)
            file.write(json.dumps(row) + "\n")
            file.flush()

        keep(machine())
        globals()[options.what](options, load_model("faces-512"), keep)


if __name__ == "__main__":
    main()
