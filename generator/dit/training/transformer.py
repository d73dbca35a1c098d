"""Train the diffusion transformer on stored latents: ``python -m generator.dit.training.transformer FOLDER``.

One core of a laptop is enough: bfloat16 where the processor has it, clips mixed with single latent frames, which are
seven times cheaper and teach outlines and colours, an exponential moving average, and a rate that decays at the end.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from countermark.core.bfloat16 import training_autocast
from generator.dit.flow import flow_loss, training_levels
from generator.dit.text import NOTHING, WORDS
from generator.dit.training.averaging import moving_average
from generator.dit.training.start import start_from
from generator.dit.transformer import TransformerConfig, VideoTransformer
from generator.world.vocabulary import CONCEPTS


class Pool:
    """The shards of a folder in memory; ``refresh`` picks up those written since."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[Path] = set()
        self.latents = torch.empty(0)
        self.words = torch.empty(0, dtype=torch.int64)
        self.refresh()
        if not len(self.latents):
            raise SystemExit(f"no shards in {folder}; write some with generator.dit.training.latents")

    def refresh(self) -> None:
        """Load shards that are new."""
        new = sorted(set(self._folder.glob("*.safetensors")) - self._seen)
        if new:
            shards = [load_file(path) for path in new]
            old = [self.latents] if len(self.latents) else []
            self.latents = torch.cat([*old, *(s["latents"] for s in shards)])
            self.words = torch.cat([self.words, *(s["words"] for s in shards)])
            self._seen.update(new)

    def batch(self, size: int, *, stills: bool) -> tuple[Tensor, Tensor]:
        """Latents [size, N, C, h, w] (one latent frame of a clip, or all) and words. One caption in ten is empty, which
        trains the unconditional branch.
        """
        index = torch.randint(len(self.latents), (size,))
        words = self.words[index].masked_fill(torch.rand(size, 1) < 0.1, NOTHING)
        if not stills:
            return self.latents[index].float(), words
        chosen = torch.randint(self.latents.shape[1], (size,))
        return self.latents[index, chosen, None].float(), words


def next_pool(square: Pool, others: Sequence[Pool], share: float, size: int) -> tuple[Pool, int]:
    """Where the next batch comes from, and how many clips it has; of the ``others``, which are larger, half as many."""
    if others and torch.rand(()) < share:
        return others[int(torch.randint(len(others), ()))], size // 2
    return square, size


@torch.no_grad()
def introduce(words: nn.Embedding, known: int) -> None:
    """Let the words after the first ``known`` begin as what those of their kind have in common."""
    for i, concept in enumerate(CONCEPTS[known - 1 :], start=known):
        alike = [j for j, c in enumerate(CONCEPTS[: known - 1], start=1) if c.kind == concept.kind]
        words.weight[i] = words.weight[alike].mean(0) + 0.1 * torch.randn(words.embedding_dim)


def optimizers(model: nn.Module, *, rate: float, muon: bool) -> list[torch.optim.Optimizer]:
    """AdamW for everything, or Muon for the matrices of the blocks and AdamW for the rest (Jordan et al., 2024)."""
    matrices = [
        p for n, p in model.named_parameters() if muon and n.startswith("blocks.") and p.ndim == 2 and p.shape[0] > 6
    ]
    chosen = {id(p) for p in matrices}
    rest = [p for p in model.parameters() if id(p) not in chosen]
    out: list[torch.optim.Optimizer] = [torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)]
    if matrices:
        out.append(torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"))
    return out


def loss_of(model: VideoTransformer, latents: Tensor, words: Tensor, level: Tensor) -> Tensor:
    """The flow loss, in bfloat16 where that is fast, as all of the training is."""
    with training_autocast():
        return flow_loss(model, latents, words, level)


@torch.no_grad()
def validation_loss(model: VideoTransformer, pool: Pool) -> float:
    """Loss on a fixed batch with fixed noise: comparable along one run, not between settings."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        latents = pool.latents[:32].float()
        level = torch.linspace(0.1, 0.98, 32)[:, None].repeat(1, latents.shape[1])
        return loss_of(model, latents, pool.words[:32], level).item()


def main() -> None:
    """Train for a number of minutes of CPU time, writing the averaged weights as it goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="latent shards")
    parser.add_argument("--other", type=Path, nargs="*", default=[], help="folders of shards of other picture sizes")
    parser.add_argument("--other-share", type=float, default=0.2, help="share of the steps spent on them")
    parser.add_argument("--validation", type=Path, required=True, help="a folder of shards kept out of training")
    parser.add_argument("--minutes", type=float, default=120, help="CPU time to spend")
    parser.add_argument("--batch", type=int, default=32, help="clips in a batch")
    parser.add_argument("--stills", type=float, default=0.5, help="share of the steps spent on single latent frames")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--muon", action="store_true")
    parser.add_argument("--decay-from", type=float, default=0.6, help="share of the run after which the rate decays")
    parser.add_argument("--level-mean", type=float, default=1.0, help="mean of the logit of the noise level")
    parser.add_argument("--clean-share", type=float, default=0.15, help="clips with some frames given")
    parser.add_argument("--average", type=float, default=0.998, help="decay of the moving average")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--output", type=Path, default=Path("runs/transformer.safetensors"))
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    square, validation = Pool(args.folder), Pool(args.validation)
    others = [Pool(folder) for folder in args.other]
    model = VideoTransformer(TransformerConfig(words=WORDS))
    if args.start:
        start_from(model, args.start)
        introduce(model.words, len(load_file(args.start)["words.weight"]))
    average = moving_average(model, args.average)
    averaged = cast("VideoTransformer", average.module)
    both = optimizers(model, rate=args.rate, muon=args.muon)

    begin, budget = time.process_time(), args.minutes * 60
    step, seen, reported = 0, 0, 0.0
    args.output.parent.mkdir(parents=True, exist_ok=True)
    while (spent := time.process_time() - begin) < budget:
        decay = min(1.0, (1 - spent / budget) / (1 - args.decay_from))
        for optimizer in both:
            for group in optimizer.param_groups:
                group["lr"] = args.rate * min(1.0, (step + 1) / 200) * decay
        still = torch.rand(()) < args.stills
        pool, size = next_pool(square, others, args.other_share, args.batch * (4 if still else 1))
        latents, words = pool.batch(size, stills=bool(still))
        level = training_levels(len(latents), latents.shape[1], mean=args.level_mean, clean_share=args.clean_share)
        loss = loss_of(model, latents, words, level)
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in both:
            optimizer.step()
        average.update_parameters(model)
        step, seen = step + 1, seen + len(latents)
        if spent - reported > 60:
            reported = spent
            loss_now = validation_loss(averaged, validation)
            print(
                f"{spent:6.0f} cpu-s  step {step}  seen {seen}  pool {len(square.latents)}  val {loss_now:.4f}",
                flush=True,
            )
            save_file(averaged.state_dict(), args.output)
            for pool in (square, *others):
                pool.refresh()
    save_file(averaged.state_dict(), args.output)


if __name__ == "__main__":
    main()
