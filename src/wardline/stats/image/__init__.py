"""What one decoded frame says about the camera that took it: physical statistics, cheap and scene-robust.

Everything is measured on a few native tiles and one small thumbnail (`sample`), so the cost does not grow
with the frame. Nothing here knows about time: what changes is judged by whoever keeps the series.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wardline.stats.image.blocks import blocks
from wardline.stats.image.detail import detail
from wardline.stats.image.noise import noise
from wardline.stats.image.sample import LEAST_HEIGHT, LEAST_WIDTH, Frame, Sample, sample, steps_of
from wardline.stats.image.tone import colour, tone
from wardline.stats.image.view import View, agreement, shift, structure, view

__all__ = [
    "LEAST_HEIGHT",
    "LEAST_WIDTH",
    "Frame",
    "Sample",
    "Statistics",
    "View",
    "agreement",
    "measure",
    "sample",
    "shift",
    "statistics",
    "structure",
    "view",
]


class Statistics(NamedTuple):
    """The named vector of one frame. DN is one step of 8 bits; what cannot be measured there is NaN.

    Two frames of one camera with equal vectors are the same picture: a living scene never repeats itself.
    """

    exposure: float  # mean luma, DN
    black: float  # darkest 0.5 % of luma, DN
    white: float  # brightest 0.5 %, DN
    tone_dark: float  # where the darkest tenth ends between black and white, logit
    tone_mid: float  # where the median lies between black and white, logit
    tone_bright: float  # where the brightest tenth begins between black and white, logit
    contrast: float  # spread of luma from the 10th to the 90th percentile, DN
    clipped_dark: float  # share of pixels within 2 DN of black
    clipped_bright: float  # share of pixels within 2 DN of white
    vignetting: float  # log of the corners' luma over the centre's

    gain_red: float  # log of mean red over mean green
    gain_blue: float  # log of mean blue over mean green
    bright_red: float  # the same among bright, unclipped pixels
    bright_blue: float
    dark_red: float  # red minus green among dark pixels, DN: an offset shows here, a gain hardly
    dark_blue: float
    saturation: float  # mean of (max - min) / max over channels
    chroma: float  # spread of red minus green and blue minus green, DN; near 0 in mono and infrared
    channel_correlation: float  # of red with blue over the picture: a colour matrix shows here

    noise: float  # noise level, DN, in the flattest blocks
    noise_dark: float  # the same where luma is below 64, DN
    noise_mid: float  # 64 to 160
    noise_bright: float  # above 160
    noise_grain: float  # log energy of the noise's second differences over that of its first
    noise_chroma: float  # log of the noise of red minus blue over that of green
    noise_correlation: float  # of the channels' noise: demosaicing, denoising and chroma subsampling raise it
    hot_pixels: float  # isolated bright outliers a million pixels

    detail: float  # log energy of differences between neighbours, DN²
    detail_fine: float  # log of the energy at lag 1 over lag 2
    detail_mid: float  # log of the energy at lag 2 over lag 4
    detail_axis: float  # log of horizontal over vertical energy at lag 1
    detail_bend: float  # log energy of the second difference over that of the first
    detail_tail: float  # log of the mean square of steps over the square of their mean size
    detail_chroma: float  # log of chroma's energy at lag 1 over luma's
    detail_chroma_fine: float  # chroma's energy at lag 1 over lag 2, log: subsampling shows here
    flat: float  # share of tiles with hardly any structure: dirt, fog, a hand over the lens
    edge_width: float  # 10-90 % rise of the sharpest edges, pixels
    overshoot: float  # beyond the edge's own levels, share of its height

    blockiness: float  # log of the step across the 8x8 grid over the step elsewhere
    blockiness_off: float  # the same for the strongest other phase: a crop or shift after compression
    resampled: float  # log of the strongest period in the second differences over the median: rescaling


def measure(frame: Frame) -> Statistics:
    """Measure one frame: uint8, (height, width, 3) in BGR as OpenCV decodes, or (height, width) grey.

    Choose it wherever one frame is to be judged or logged; `statistics(sample(frame))` shares the sampling
    with `view`. A fifteenth of the time a JPEG of 1080p takes to decode.

    >>> import numpy as np
    >>> flat = measure(np.full((480, 640, 3), 100, dtype=np.uint8))
    >>> flat.exposure, flat.chroma, flat.flat
    (100.0, 0.0, 1.0)
    """
    return statistics(sample(frame))


def statistics(sampled: Sample) -> Statistics:
    """Measure what was sampled from one frame."""
    toned, dark, bright = tone(sampled)
    steps = steps_of(sampled)
    sizes = np.abs(steps[2:5, : len(sampled.grey)])
    coloured, noisy = colour(sampled, dark, bright), noise(sampled, steps[3, : len(sampled.grey)])
    return Statistics(*toned, *coloured, *noisy, *detail(sampled, steps, sizes), *blocks(sizes, sampled.tall))
