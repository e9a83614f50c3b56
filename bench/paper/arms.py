"""The arms of each comparison: a frozen base and one network that is trained.

Initially all equal the base ("zero convolutions").
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from einops import rearrange
from torch import Tensor, nn

from ...sk_attention.appendix.cross import FACE_TOKENS, NAMES, SKCross
from ...sk_attention.appendix.patch import READ, ReadingPatch
from ...sk_attention.drive import Expression
from ...sk_attention.published_files import REFERENCE, find_part
from ...train.objective import Attending, Driven, look
from ...train.sizes import fitted
from ...train.toy.definition import WIDTHS
from ...unet.clip.frames import COND
from ...unet.hosts.comfy_attention import AttentionCall, Place
from ...unet.hosts.diffusers_attention import attending, text_attentions
from ...unet.hosts.diffusers_hooks import bound
from ...unet.networks.layers import Attention, SinusoidalTable, conv3x3
from ...unet.patches import WeightedPatch
from .people import EMBEDDING, WORD, Batch

OPTIONS = {"cond_or_uncond": [COND]}
TABLE = 32  # twice the largest number of rows or columns of a feature map
TOKENS = 4  # of IP-Adapter FaceID
HINT = (8, 16, 16, 32)  # channels of the ControlNet layers that reduce the picture


class Silent(nn.Module):
    """A text attention that returns zeros: the toy base
    has no text attention, but the hooks need a module.
    """

    def forward(self, n: Tensor, encoder_hidden_states: Tensor | None = None, **_) -> Tensor:
        return torch.zeros_like(n)


def with_places(unet: nn.Module) -> nn.Module:
    """Give every transformer block of the toy base a Silent text attention."""
    for module in unet.modules():
        if hasattr(module, "attn2") and module.attn2 is None:
            module.attn2 = Silent()
            module.norm2 = nn.LayerNorm(module.norm1.normalized_shape, elementwise_affine=False)
    return unet


def widths_of(unet: nn.Module) -> dict[str, int]:
    """Return the width of each transformer block by name."""
    block = lambda place: unet.get_submodule(_path(place))  # noqa: E731
    return {NAMES[place]: block(place).norm1.normalized_shape[0] for place in text_attentions(unet)}


def _path(place: Place) -> str:
    side, index, layer = place
    block = "mid_block" if side == "mid" else f"{side}_blocks.{index}"
    return f"{block}.attentions.{layer}.transformer_blocks.0"


class Plain(nn.Module):
    """`depth` cross-attentions over the whole map, one after the other:
    the alternative with which SKCross is compared.
    """

    def __init__(self, dim: int, context_dim: int, depth: int = 1):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(dim) for _ in range(depth)])
        self.attentions = nn.ModuleList([Attention(dim, context_dim) for _ in range(depth)])
        self.proj = nn.Linear(dim, dim)
        _silence(self.proj)

    def project(self, tokens: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [attention.keys_values(tokens) for attention in self.attentions]

    def forward(self, n: Tensor, grid: tuple[int, int], tokens: list[tuple[Tensor, Tensor]]) -> Tensor:
        for norm, attention, one in zip(self.norms, self.attentions, tokens, strict=True):
            n = attention(norm(n), one)
        return self.proj(n)


def sk_cross(dim: int, context_dim: int, length: int) -> SKCross:
    """Return an SKCross that initially adds nothing."""
    module = SKCross(dim, context_dim, TABLE, length)
    _silence(module.proj)
    return module


def _silence(layer: nn.Module) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)


class Added(ReadingPatch):
    """Adds modules (place -> Plain or SKCross) to the Silent text attentions; tokens (B, m, D)."""

    def __init__(self, sites: Mapping[Place, nn.Module], tokens: Tensor):
        self.sites, self.tokens = sites, tokens

    def cross_output(self, place: Place, out: Tensor, call: AttentionCall) -> Tensor:
        module, (n, _) = self.sites[place], call.options[READ]
        return out + module(n, call.grid(n.shape[1]), module.project(self.tokens))


class Arm(nn.Module):
    """unet: the frozen base, which may be replaced by a restyled one; learned: the network that is trained.

    dropout: share of the samples without any condition
    """

    dropout = 0.1

    def __init__(self, unet: nn.Module, learned: nn.Module):
        super().__init__()
        self.unet, self.learned = unet, learned

    def base(self, noisy: Tensor, timesteps: Tensor, **residuals) -> Tensor:
        text = noisy.new_zeros(len(noisy), 1, 1)
        return self.unet(noisy, timesteps, encoder_hidden_states=text, **residuals).sample


class Bare(Arm):
    """The base alone (drive None), or with the drive: the start of every arm.

    It is trained first, each way in half of the samples.
    """

    dropout = 0.5

    def __init__(self, unet: nn.Module, drive: nn.Module | None):
        super().__init__(unet, unet)
        self.drive = drive

    def forward(self, noisy: Tensor, timesteps: Tensor, batch: Batch) -> Tensor:
        with bound(self.unet, [driven(self.drive, batch)] if self.drive else [], OPTIONS):
            return self.base(noisy, timesteps)


def driven(drive: nn.Module, batch: Batch) -> WeightedPatch:
    """Return the frozen drive of a batch; samples whose condition was dropped have none."""
    with torch.no_grad():
        features = drive(batch.pictures, Expression.without_patches(batch.coefficients))
    return WeightedPatch(Driven(features, (~batch.dropped).float()))


class Crossing(Arm):
    """Cross-attention to tokens of a batch at every transformer block: identity, or text."""

    def __init__(self, unet: nn.Module, kinds: Mapping[str, tuple[Callable[[int], nn.Module], nn.Module]]):
        """kinds: name -> (function from a block's width to its module,
        module that makes tokens (B, m, D) of a batch).
        """
        names = widths_of(unet)
        learned = {
            name: nn.ModuleDict({block: make(c) for block, c in names.items()})
            for name, (make, _) in kinds.items()
        }
        learned |= {f"{name} tokens": tokens for name, (_, tokens) in kinds.items()}
        super().__init__(unet, nn.ModuleDict(learned))
        self.kinds = tuple(kinds)

    def forward(self, noisy: Tensor, timesteps: Tensor, batch: Batch) -> Tensor:
        patches = []
        for name in self.kinds:
            modules = self.learned[name]
            sites = {place: modules[block] for place, block in NAMES.items() if block in modules}
            patches.append(Added(sites, self.learned[f"{name} tokens"](batch)))
        with attending(self.unet, patches, OPTIONS):
            return self.base(noisy, timesteps)


class Copies(nn.Module):
    """Returns each face embedding repeated five times."""

    def forward(self, batch: Batch) -> Tensor:
        return batch.embedding[:, None].expand(-1, FACE_TOKENS, -1)


class Projected(nn.Module):
    """Projects a face embedding to four tokens with an MLP, as IP-Adapter FaceID does."""

    def __init__(self, dim: int = WORD):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(EMBEDDING, 2 * EMBEDDING), nn.GELU(), nn.Linear(2 * EMBEDDING, TOKENS * dim)
        )
        self.norm = nn.LayerNorm(dim)

    def forward(self, batch: Batch) -> Tensor:
        return self.norm(self.layers(batch.embedding).unflatten(-1, (TOKENS, -1)))


class Words(nn.Module):
    def forward(self, batch: Batch) -> Tensor:
        return batch.words


class Control(Arm):
    """ControlNet: a trained copy of the base's encoder, added by convolutions that are zero at first."""

    def __init__(self, unet: nn.Module):
        names = ("time_embedding", "conv_in", "down_blocks", "mid_block")
        parts = {name: copy.deepcopy(getattr(unet, name)) for name in names}
        layers: list[nn.Module] = [conv3x3(1, HINT[0])]
        for a, b in zip(HINT, HINT[1:]):
            layers += [nn.SiLU(), conv3x3(a, b, stride=2)]
        layers += [nn.SiLU(), conv3x3(HINT[-1], WIDTHS[0])]
        skips = [WIDTHS[0]]
        for block, width in zip(unet.down_blocks, WIDTHS):
            skips += [width] * (len(block.resnets) + (block.downsamplers is not None))
        joints = nn.ModuleList([nn.Conv2d(c, c, 1) for c in (*skips, WIDTHS[-1])])
        for layer in (layers[-1], *joints):
            _silence(layer)
        super().__init__(unet, nn.ModuleDict(parts | {"hint": nn.Sequential(*layers), "joints": joints}))

    def forward(self, noisy: Tensor, timesteps: Tensor, batch: Batch) -> Tensor:
        own, text = self.learned, noisy.new_zeros(len(noisy), 1, 1)
        emb = own["time_embedding"](self.unet.time_proj(timesteps).to(noisy))
        h = own["conv_in"](noisy) + own["hint"](batch.hints)
        seen = [h]
        for block in own["down_blocks"]:
            reads = {"encoder_hidden_states": text} if getattr(block, "has_cross_attention", False) else {}
            h, skips = block(hidden_states=h, temb=emb, **reads)
            seen += skips
        seen.append(own["mid_block"](h, emb, encoder_hidden_states=text))
        *skips, mid = (joint(x) for joint, x in zip(own["joints"], seen, strict=True))
        return self.base(
            noisy, timesteps, down_block_additional_residuals=tuple(skips), mid_block_additional_residual=mid
        )


class Referring(Arm):
    """Reference attention at the block boundaries of v1. reads: the field of
    a batch to attend to; drive: None = no drive.
    """

    def __init__(self, unet: nn.Module, adapter: nn.Module, reads: str, drive: nn.Module | None = None):
        super().__init__(unet, adapter)
        self.reads, self.drive = reads, drive

    def forward(self, noisy: Tensor, timesteps: Tensor, batch: Batch) -> Tensor:
        text = noisy.new_zeros(len(noisy), 1, 1)
        with torch.no_grad():
            seen = look(self.unet, getattr(batch, self.reads), text, self.learned.sites)
        patches = [WeightedPatch(Attending(self.learned, seen))]
        patches += [driven(self.drive, batch)] if self.drive else []
        with bound(self.unet, patches, {"cond_or_uncond": [COND] * len(noisy)}):
            return self.base(noisy, timesteps)


def sk_adapter() -> nn.Module:
    """Return v1's reference adapter without the module that is never called."""
    part = find_part(REFERENCE, "v1")
    sizes = fitted(part, WIDTHS)
    adapter = part.build(sizes | {"down": sizes["down"][:3]})
    for module in adapter.sites.values():
        _silence(module.proj)
    return adapter


class Concatenated(nn.Module):
    """Self-attention over target and reference together, twice; it
    has as many parameters as SKReferenceAttention.
    """

    def __init__(self, dim: int):
        super().__init__()
        self.pos_embed = SinusoidalTable(dim, TABLE)
        self.attn1, self.attn2 = Attention(dim), Attention(dim)
        self.norm, self.proj = nn.LayerNorm(dim), conv3x3(dim, dim)
        _silence(self.proj)

    def _placed(self, x: Tensor, after: int) -> Tensor:
        """Return x (B, C, h, w) as (B, h w, C), normalised, with row and column positions added.

        after: 1 for the reference, whose positions follow those of the target; 0 for the target
        """
        h, w = x.shape[-2:]
        rows, columns = (self.pos_embed((1 + after) * side, x)[after * side :] for side in (h, w))
        places = rearrange(rows[:, None] + columns[None], "h w c -> (h w) c")
        return self.norm(rearrange(x, "b c h w -> b (h w) c") + places)

    def project(self, reference: Tensor) -> Tensor:
        return self._placed(reference, 1)

    def forward(self, h: Tensor, reference: Tensor) -> Tensor:
        x, size = h, h.shape[-2:]
        for attention in (self.attn1, self.attn2):
            own = self._placed(x, 0)
            keys_values = attention.keys_values(torch.cat([own, reference], 1))
            x = rearrange(attention(own, keys_values), "b (h w) c -> b c h w", h=size[0])
        return h + self.proj(x)


class PlainAdapter(nn.Module):
    """Concatenated modules at the boundaries of `sk_adapter`."""

    def __init__(self):
        super().__init__()
        like = sk_adapter().sites
        self.modules_of = nn.ModuleDict(
            {name: Concatenated(m.norm.normalized_shape[0]) for name, m in like.items()}
        )

    @property
    def sites(self) -> dict[str, nn.Module]:
        return dict(self.modules_of.items())


def plain_identity(c: int) -> nn.Module:
    return Plain(c, WORD)


def sk_identity(c: int) -> nn.Module:
    return sk_cross(c, EMBEDDING, FACE_TOKENS)


Make = Callable[[nn.Module, nn.Module], Arm]  # (base, drive) -> arm
ARMS: dict[str, dict[str, Make]] = {
    "condition": {
        "ControlNet": lambda unet, drive: Control(unet),
        "ControlNetSK": lambda unet, drive: Referring(unet, sk_adapter(), "edges"),
    },
    "identity": {
        "IPAdapter": lambda unet, drive: Crossing(unet, {"plain": (plain_identity, Projected())}),
        "IPAdapterSK": lambda unet, drive: Crossing(unet, {"sk": (sk_identity, Copies())}),
        "both": lambda unet, drive: Crossing(
            unet, {"plain": (plain_identity, Projected()), "sk": (sk_identity, Copies())}
        ),
    },
    "text": {
        "one attention": lambda unet, drive: Crossing(unet, {"text": (lambda c: Plain(c, WORD), Words())}),
        "two attentions": lambda unet, drive: Crossing(
            unet, {"text": (lambda c: Plain(c, WORD, 2), Words())}
        ),
        "SK attention": lambda unet, drive: Crossing(
            unet, {"text": (lambda c: sk_cross(c, WORD, TABLE), Words())}
        ),
    },
    "reference": {
        "concatenated": lambda unet, drive: Referring(unet, PlainAdapter(), "portraits", drive),
        "SK attention": lambda unet, drive: Referring(unet, sk_adapter(), "portraits", drive),
    },
}
