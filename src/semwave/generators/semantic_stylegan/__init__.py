"""Semantic StyleGAN: a generator that draws every part of a face by a small network of its own.

Shi et al., "SemanticStyleGAN: learning compositional generative priors for controllable image synthesis and editing"
(CVPR 2022). The sizes below are those of that paper's CelebAMask-HQ model of 512 px.

    z (B,512) -> mapping -> w (B,512), the same for all codes of a random face

    positions (P,2), P = 64 x 64 -> Fourier features -> 1x1 -> (P,64)
      -> for each of 13 parts: 2 layers (base codes) -> 4 layers (shape code) -> 4 layers (texture code) -> (P,64)
                                                               |
                                                        pseudo-depth (P), background 0
    pseudo-depths (B,13,P) -> softmax -> masks (B,13,64,64)
    part features, weighted by the masks -> 1x1 -> (B,512,64,64) = composed features

    composed features, averaged down to 16x16 -> [double, 3x3, 3x3] -> 32x32 -> [ ] -> 64x64, + composed features
      -> [ ] -> 128x128 -> [ ] -> 256x256 -> [ ] -> 512x512
                                    every size: 1x1 -> image and segmentation, added to those of the size before,
                                    the segmentation's to the masks

    architecture.py   all sizes, and what one pass gives
    local.py          positions; the networks of the parts, and how they are composed
    render.py         composed features to picture and segmentation
    generator.py      the whole, and its files
"""

from semwave.generators.semantic_stylegan.architecture import Architecture, Rendering
from semwave.generators.semantic_stylegan.generator import SemanticStyleGAN

__all__ = ["Architecture", "Rendering", "SemanticStyleGAN"]
