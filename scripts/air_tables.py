"""Write the tables of docs/over-the-air.md from the rows that scripts/air.py and scripts/air_fuzz.py kept.

    python scripts/air_tables.py out/air.jsonl

Every table stands between lines <!-- air: NAME --> and <!-- end -->; one of which there are no rows stays. Of rows of
one kind and condition the last one counts.
"""

import argparse
import json
import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "over-the-air.md"
SNRS_DB = (0, 5, 10, 20)


def listed(group, key, form="{}"):
    """The values under ``key`` by SNR: "0 / 1 / 0 / 0"."""
    rows = [group[snr_db] for snr_db in sorted(group)]
    return " / ".join("-" if row[key] is None else form.format(row[key]) for row in rows)


def grouped(rows, *keys):
    """Rows by ``keys``, and in each group by SNR."""
    groups = {}
    for row in rows:
        groups.setdefault(tuple(row[key] for key in keys), {})[row["snr_db"]] = row
    return groups


def of_frames(rows, through, kinds):
    """Frames through GNU Radio, or simulated: what was lost, and the loss of those that arrived."""
    chosen = [row for row in rows if row["what"] == "frames" and row["through"] == through]
    groups = grouped([row for row in chosen if row["channel"].startswith(kinds)], "channel", "k")
    if not groups:
        return
    simulated = through != "GNU Radio"
    within = " of them within reach |" if simulated else ""
    yield f"| channel, k | frames | Es/N0 [dB] | lost |{within} false | mean loss [dB] | 95 % below | own SNR [dB] |"
    yield "| --- " * (9 if simulated else 8) + "|"
    for (channel, k), group in groups.items():
        first = next(iter(group.values()))
        spread = " / ".join("-" if row["snr_error_db"] is None else f"±{row['snr_error_db'][1]:.2f}" for row in
                            (group[snr_db] for snr_db in sorted(group)))  # fmt: skip
        cells = [f"{channel}, {k}", str(first["frames"]), " / ".join(f"{snr_db:g}" for snr_db in sorted(group))]
        cells += [listed(group, "missed")] + [listed(group, "missed_within_reach")] * simulated
        cells += [listed(group, "false"), listed(group, "loss_db", "{:.2f}"), listed(group, "loss_p95_db", "{:.2f}")]
        yield f"| {' | '.join([*cells, spread])} |"


def of_pictures(rows):
    """Pictures through the air, over AWGN at the SNR of the frame, and at a receiver that knows h."""
    groups = grouped([row for row in rows if row["what"] == "pictures"], "of", "channel", "k")
    if not groups:
        return
    yield "| pictures of | channel, k | Es/N0 [dB] | lost | air [dB] | AWGN, frame's SNR [dB] | known h [dB] | ± |"
    yield "| --- " * 8 + "|"
    for (of, channel, k), group in groups.items():
        keys = ("air_psnr_db", "awgn_at_own_snr", "known_h", "standard_error_db")
        columns = [listed(group, key, "{:.2f}") for key in keys]
        snrs = " / ".join(f"{snr_db:g}" for snr_db in sorted(group))
        yield f"| {of} | {channel}, {k} | {snrs} | {listed(group, 'missed')} | {' | '.join(columns)} |"


def of_clipping(rows):
    """What clipping costs."""
    found = {(row["k"], row["clip_db"]): row for row in rows if row["what"] == "clipping"}
    clips = list(dict.fromkeys(clip for _, clip in found))
    if not found:
        return
    yield f"| `--clip` | {' | '.join('none' if clip is None else f'{clip:g} dB' for clip in clips)} |"
    yield "| --- " * (len(clips) + 1) + "|"
    for k in sorted({k for k, _ in found}):
        cells = [f"{found[k, clip]['snr_db']:.2f} dB" for clip in clips]
        yield f"| SNR of the symbols, k = {k} | {' | '.join(cells)} |"


def of_doppler(rows):
    """What moving echoes cost."""
    found = {(row["k"], row["doppler"]): row for row in rows if row["what"] == "doppler"}
    shifts = sorted({shift for _, shift in found})
    if not found:
        return
    heads = " | ".join(f"{shift:g} ({1e6 * shift:.0f})" for shift in shifts)
    yield f"| largest Doppler shift, cycles a sample (Hz at 1 Msample/s) | {heads} |"
    yield "| --- " * (len(shifts) + 1) + "|"
    for k in sorted({k for k, _ in found}):
        rows_of_k = [found[k, shift] for shift in shifts]
        columns = {
            f"mean loss, k = {k}": [f"{row['loss_db']:.2f} dB" for row in rows_of_k],
            f"lost of {rows_of_k[0]['frames']}": [str(row["missed"]) for row in rows_of_k],
            "own estimate of the SNR too high by": [f"{row['snr_error_db'][0]:.2f} dB" for row in rows_of_k],
        }
        yield from (f"| {name} | {' | '.join(cells)} |" for name, cells in columns.items())


def of_noise(rows):
    """False alarms."""
    for row in [row for row in rows if row["what"] == "noise"][-1:]:
        refused = sum(row["refused"].values())
        yield (
            f"{row['samples']:,} samples: {row['false']} frames; {refused} candidates, all refused. "
            f"{row['microseconds_a_sample_of_one_core']} microseconds of a core a sample."
        )


def of_fuzz(rows):
    """Hostile input."""
    for row in [row for row in rows if row["what"] == "fuzz"][-1:]:
        refused = ", ".join(f"{count:,} {why}" for why, count in row["refused"].items())
        yield (
            f"{row['inputs']:,} pieces of samples gave {row['found']:,} frames and were refused as {refused}; "
            f"never more than {row['most_buffered']:,} samples were held, and none took more than "
            f"{row['longest_seconds']} s. Of {row['inputs']:,} files of metadata {row['metadata_refused']:,} were "
            f"refused, each in one line. After {row['inputs']:,} packets of any length over UDP and as many over ZMQ, "
            f"and {row['strangers']} servers that speak no ZMQ, good packets came through. Nothing else was raised."
        )


def tables(rows):
    """The lines of every table by its name."""
    return {
        "gnuradio": of_frames(rows, "GNU Radio", ("flat", "rayleigh")),
        "tdl": of_frames(rows, "SampleChannel", ("TDL",)),
        "pictures": of_pictures(rows),
        "clipping": of_clipping(rows),
        "doppler": of_doppler(rows),
        "noise": of_noise(rows),
        "fuzz": of_fuzz(rows),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="+", help="files of --out")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    lines = [line for file in options.rows for line in file.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in map(json.loads, lines) if ("what" in row and "cpu" not in row) or row.get("what") == "fuzz"]
    text = options.page.read_text(encoding="utf-8")
    for name, made in tables(rows).items():
        written = "\n".join(made)
        place = re.compile(rf"(<!-- air: {name} -->\n).*?(\n<!-- end -->)", re.S)
        if not place.search(text):
            raise SystemExit(f"{options.page}: has no place for the table '{name}'")
        if written:
            text = place.sub(lambda found, written=written: f"{found[1]}\n{written}\n{found[2]}", text)
    options.page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
