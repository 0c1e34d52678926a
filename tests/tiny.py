"""A Semantic StyleGAN that is small enough to be made and trained in a test, and draws the codes of faces."""

from semwave.generators.semantic_stylegan import Architecture
from semwave.latent.layout import FACES

TINY = Architecture(
    size=32, coarse_size=16, smallest_size=8, code_size=FACES.coordinates, mapping_layers=0, local_channels=8,
    coarse_channels=16, max_channels=16,
)  # fmt: skip
