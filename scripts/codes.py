"""Search the channel codes of separation for every k and SNR of the evaluation, over AWGN and Rayleigh fading.

Writes src/semwave/baselines/codes.json. Half an hour; do it again where Sionna's codes change.
"""

from rich.progress import track

from semwave.air.channels import CHANNELS
from semwave.air.link import Link
from semwave.baselines.channel_code import CODES, search
from semwave.evaluation.registry import KS
from semwave.evaluation.run import SNRS_DB
from semwave.pictures import files

if __name__ == "__main__":
    links = [Link(kind, snr_db, 0) for kind in CHANNELS.values() for snr_db in SNRS_DB]
    snrs_db = sorted({round(link.reliable_snr_db, 1) for link in links})
    found = {}
    for k in KS:
        blocks = {f"{snr_db:g}": search(k, snr_db) for snr_db in track(snrs_db, f"k = {k}")}
        found[str(k)] = {snr_db: block and block.mcs for snr_db, block in blocks.items()}
    files.write_json(CODES, found)
