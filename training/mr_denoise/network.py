"""The denoiser of a conditional diffusion model, small enough for many calls a slice on a CPU.

Images are in units of 1/25 of the series' 99.5th percentile, so that the noise levels of the sampler (0.7
to 1.8 of them) lie where the posterior of a slice with 1 to 10 % noise is wide. Of x_t the network sees
what it adds to the condition, x_t / alpha_t less the noisy slice; at the first step, where x_t is pure
noise, it sees nothing of it. It predicts the clean image as the middle slice less an estimate of its noise.
Convolutions run on a pixel-unshuffled slice (Shi et al. 2016); nothing normalises over batch or image.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

UNIT = 25.0
"""Network units in a series' 99.5th percentile."""
WIDTHS = (32, 48, 96)
TIMES = 3
BETA_START, BETA_END = 0.348, 0.99999
"""Of the `scaled_linear` schedule in `pipelines.sampling.schedule`, which the tests compare."""
ENTRANCE = 0.5
"""Makes noise of a few units an activation of order one."""


def kept_variance() -> Tensor:
    """alpha bar of each of the `TIMES` steps, (3,)."""
    betas = torch.linspace(BETA_START**0.5, BETA_END**0.5, TIMES, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float()


class Residual(nn.Module):
    """Two 3x3 convolutions around an identity path, told the time by a scale and a shift per channel."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.time = nn.Embedding(TIMES, 2 * width)
        nn.init.zeros_(self.time.weight)

    def forward(self, features: Tensor, time: Tensor) -> Tensor:
        """Same shape in and out."""
        scale, shift = self.time(time)[:, :, None, None].chunk(2, 1)
        inner = self.first(functional.relu(features)) * (1 + scale) + shift
        return features + self.second(functional.relu(inner))


class Surround(nn.Module):
    """Wide context at little cost: 7x7 filters per channel, then two 1x1 convolutions, around an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gather = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.widen = nn.Conv2d(width, 2 * width, 1)
        self.narrow = nn.Conv2d(2 * width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Same shape in and out."""
        return features + self.narrow(functional.relu(self.widen(self.gather(functional.relu(features)))))


class Rise(nn.Module):
    """From a coarser level to the next finer one: 1x1 convolution, then pixel shuffle by 2."""

    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(coarse, 4 * fine, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, coarse, r, c) to (batch, fine, 2r, 2c)."""
        return functional.pixel_shuffle(self.mix(functional.relu(features)), 2)


class Shrinkage(nn.Module):
    """Learnt gains for the coefficients of a sliding 8x8 cosine transform: a Wiener filter that sees around.

    Of each coefficient of the result a share comes from the noisy slice, one from the neighbours' difference
    to it and one from that of x_t. Fixed gains are those of sliding DCT denoising (Yaroslavsky et al. 2001).
    """

    def __init__(self, features: int, width: int = 96) -> None:
        super().__init__()
        self.register_buffer("cosines", cosine_filters(), persistent=False)
        self.weigh = nn.Conv2d(3 * BLOCK**2, width, 1)
        self.mix = nn.Conv2d(width + features, width, 1)
        self.gains = nn.Conv2d(width, 3 * BLOCK**2, 1)
        self.time = nn.Embedding(TIMES, width)
        nn.init.zeros_(self.time.weight)

    def analysed(self, images: Tensor) -> Tensor:
        """(batch, 3, r, c) to coefficients (batch, 3, 64, r / 2 + 3, c / 2 + 3)."""
        batch, channels, rows, columns = images.shape
        padded = functional.pad(images, (6, 6, 6, 6), mode="replicate")
        found = functional.conv2d(padded.reshape(-1, 1, rows + 12, columns + 12), self.cosines, stride=2)  # type: ignore[arg-type]
        return found.reshape(batch, channels, BLOCK**2, rows // 2 + 3, columns // 2 + 3)

    def forward(self, images: Tensor, features: Tensor, time: Tensor) -> Tensor:
        """Of images (batch, 3, r, c): slice, neighbours' difference, x_t's; features at half resolution."""
        parts = self.analysed(images)
        energy = torch.log(parts.square() + 0.05).flatten(1, 2)
        around = functional.pad(features, (1, 2, 1, 2), mode="replicate")
        inner = functional.relu(self.weigh(energy))
        mixed = self.mix(torch.cat([inner, around], 1)) + self.time(time)[:, :, None, None]
        gains = self.gains(functional.relu(mixed)).float().reshape(parts.shape)
        kept = parts[:, 0] + (gains * parts).sum(1)
        whole = functional.conv_transpose2d(kept, self.cosines, stride=2)  # type: ignore[arg-type]
        return whole[:, :, 6:-6, 6:-6] / (BLOCK / 2) ** 2


BLOCK = 8


def cosine_filters() -> Tensor:
    """The orthonormal cosine transform of 8x8 pixels as (64, 1, 8, 8) filters."""
    place, order = torch.arange(BLOCK) + 0.5, torch.arange(BLOCK)
    rows = torch.cos(torch.pi / BLOCK * order[:, None] * place[None, :]) * (2 / BLOCK) ** 0.5
    rows[0] *= 0.5**0.5
    return torch.einsum("ai,bj->abij", rows, rows).reshape(BLOCK**2, 1, BLOCK, BLOCK).contiguous()


class Level(nn.Module):
    """Signal and noise by the moments of the slice, for the coarsest level.

    In magnitude images dark tissue and background under noise have nearly the same mean; the ratio of mean to
    deviation tells them apart (1.91 without signal; Gudbjartsson and Patz 1995). So squares of 8 pixels give
    log mean and log variance, 24 pixels the same, and the least variance within 40 pixels stands for noise.
    """

    def __init__(self, width: int, inner: int = 48) -> None:
        super().__init__()
        self.combine = nn.Conv2d(5, inner, 1)
        self.give = nn.Conv2d(inner, width, 1)

    def forward(self, middle: Tensor) -> Tensor:
        """(batch, 1, r, c) to (batch, width, r / 8, c / 8)."""
        mean, square = functional.avg_pool2d(middle, 8), functional.avg_pool2d(middle.square(), 8)
        wide_mean, wide_square = (
            functional.avg_pool2d(values, 3, 1, 1, count_include_pad=False) for values in (mean, square)
        )
        spread = (square - mean.square()).clamp(min=0.0)
        wide_spread = (wide_square - wide_mean.square()).clamp(min=0.0)
        least = -functional.max_pool2d(-spread, 5, 1, 2)
        seen = torch.cat([mean.square(), wide_mean.square(), spread, wide_spread, least], 1)
        return self.give(functional.relu(self.combine(torch.log(seen + 0.01))))  # type: ignore[no-any-return]


class Deep(nn.Module):
    """More steps at the coarsest level, some of them at half its resolution; the identity at first.

    Errors of the first versions were coarse in series of whole heads, whose small pixels put tissue beyond
    what their few coarse steps could tell from background.
    """

    def __init__(self, width: int, wider: int = 128) -> None:
        super().__init__()
        self.down = nn.Conv2d(width, wider, 3, stride=2, padding=1)
        self.first, self.second = Residual(wider), Residual(wider)
        self.around = nn.Sequential(Surround(wider), Surround(wider))
        self.up = Rise(wider, width)
        self.third, self.fourth = Residual(width), Residual(width)
        self.beside = Surround(width)

    def forward(self, features: Tensor, time: Tensor) -> Tensor:
        """Same shape in and out; rows and columns even."""
        half = self.first(self.down(functional.relu(features)), time)
        features = features + self.up(self.second(self.around(half), time))
        return self.fourth(self.beside(self.third(features, time)), time)

    def begin_as_identity(self) -> None:
        for last in (self.up.mix, self.third.second, self.fourth.second):
            nn.init.zeros_(last.weight)


class MrDenoiser(nn.Module):
    """Three neighbouring slices and a noisier image in, the clean middle slice out."""

    def __init__(self, widths: tuple[int, int, int] = WIDTHS) -> None:
        super().__init__()
        half, quarter, eighth = widths
        self.enter = nn.Conv2d(16, half, 3, padding=1)
        self.half_in = nn.Conv2d(half, half, 3, padding=1)
        self.down_quarter = nn.Conv2d(half, quarter, 3, stride=2, padding=1)
        self.quarter_in = Residual(quarter)
        self.down_eighth = nn.Conv2d(quarter, eighth, 3, stride=2, padding=1)
        self.level = Level(eighth)
        self.eighth = Residual(eighth)
        self.context = nn.Sequential(Surround(eighth), Surround(eighth))
        self.deep = Deep(eighth)
        self.up_quarter = Rise(eighth, quarter)
        self.quarter_out = Residual(quarter)
        self.up_half = Rise(quarter, half)
        self.half_out = Residual(half)
        self.leave = nn.Conv2d(half, 4, 3, padding=1)
        self.shrinkage = Shrinkage(half)
        kept = kept_variance()
        informed = torch.ones(TIMES)
        informed[-1] = 0.0
        self.register_buffer("alpha", kept.sqrt().where(informed > 0, torch.ones(())), persistent=False)
        self.register_buffer("informed", informed, persistent=False)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
            if isinstance(module, Residual):
                module.second.weight.data.mul_(0.3)
            if isinstance(module, Surround):
                nn.init.zeros_(module.narrow.weight)
        entrance = self.enter.weight.data
        entrance[4:] -= entrance[4:].mean(dim=(2, 3), keepdim=True)  # most filters see differences only
        entrance[:4] *= 0.1
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.shrinkage.gains.weight)
        nn.init.zeros_(self.level.give.weight)
        self.deep.begin_as_identity()

    def begin_from(self, weights: Mapping[str, Tensor]) -> None:
        """Take over the weights of `ct-denoise` 0.2.0, by name: all but those that see x_t or the time.

        What it knows of 1000 HU is taken for the 99.5th percentile here, its 100 HU for 2.5 units.
        """
        own = self.state_dict()
        for name, values in weights.items():
            own[name].view(-1)[:] = values.view(-1) if own[name].shape == values.shape else 0.0
        own["enter.weight"][:, :12] = weights["enter.weight"] / (UNIT * ENTRANCE)
        own["enter.weight"][:, 12:] = 0.3 * torch.randn_like(own["enter.weight"][:, 12:]) / 12
        for name in ("leave.weight", "leave.bias"):
            own[name].copy_(0.1 * UNIT * weights[name])

    half_precision = True  # bfloat16 inside the trunk while training; evaluation and export are float32

    def added(self, slices: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """What x_t says beyond the slice, (batch, 1, r, c): 0 where it is pure noise."""
        alpha, informed = (table[time][:, None, None, None] for table in (self.alpha, self.informed))  # type: ignore[index]
        return (noisy / alpha - slices[:, 1:2]) * informed

    def forward(self, slices: Tensor, noisy: Tensor, time: Tensor) -> Tensor:
        """(batch, 3, r, c), (batch, 1, r, c), (batch,) int64 to the clean middle slice (batch, 1, r, c)."""
        added, middle = self.added(slices, noisy, time), slices[:, 1:2]
        seen = functional.pixel_unshuffle(torch.cat([slices, added], 1) * ENTRANCE, 2)
        beside = 0.5 * (slices[:, :1] + slices[:, 2:]) - middle
        first, level = self.enter(seen), self.level(middle)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.training and self.half_precision):
            half = self.half_in(functional.relu(first))
            quarter = self.quarter_in(self.down_quarter(functional.relu(half)), time)
            eighth = self.context(self.eighth(self.down_eighth(functional.relu(quarter)) + level, time))
            eighth = self.deep(eighth, time)
            quarter = self.quarter_out(quarter + self.up_quarter(eighth), time)
            half = self.half_out(half + self.up_half(quarter), time)
        noise = functional.pixel_shuffle(self.leave(functional.relu(half.float())), 2)
        return self.shrunk(torch.cat([middle, beside, added], 1), half.float(), time) - noise

    def shrunk(self, images: Tensor, half: Tensor, time: Tensor) -> Tensor:
        """The learnt shrinkage, in bfloat16 where the trunk is."""
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.training and self.half_precision):
            return self.shrinkage(images, half, time)  # type: ignore[no-any-return]
