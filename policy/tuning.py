"""Tune the text encoder and the heads together, from where heads on the encoder as published have come (`policy.fit`).

What the encoder has learned of language is changed as little as the task asks for: its rate is a third of the heads', a
tenth of the words is left out of every prompt, a few rounds are all, and what is kept is the moving average over them.
Word vectors stay. The forward pass is that of `countermark.core.encoders.text`, in torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from countermark.core.bfloat16 import training_autocast
from countermark.core.encoders.text import BRANCHES, DIMENSION, FIXED, UniversalSentenceEncoder
from policy.classifier import Floats, Network

ROUNDS = 8
BATCH = 192  # rows of about the same length
PEAK_RATES = (1.5e-4, 5e-4)  # of the encoder, of the heads
AVERAGED = 0.995  # how much of the moving average a step keeps
WORDS_LEFT_OUT = 0.1
NOISE = 0.3  # as in `policy.fit`
DROPOUT = (0.1, 0.3)
WEIGHT_DECAY = 1e-2  # of the heads
_BUCKET = 24  # batches that are sorted by length together


class Tunable(nn.Module):
    """The encoder's weights as parameters."""

    def __init__(self, encoder: UniversalSentenceEncoder) -> None:
        super().__init__()
        self.eps = float(encoder.weights["eps"])
        self.weights = nn.ParameterDict(
            {name: nn.Parameter(torch.tensor(w)) for name, w in encoder.weights.items() if name not in FIXED}
        )

    def forward(self, words: Tensor, inside: Tensor) -> Tensor:
        """Word vectors [B, T, 512], 0 where not ``inside`` [B, T, 1], to embeddings [B, 512] of unit variance."""
        w = self.weights
        features = [words]
        for order, left in BRANCHES:
            x = (words @ w[f"proj{order}"] + w[f"proj_b{order}"]).float()
            x = functional.layer_norm(x, x.shape[2:], w[f"ln_g{order}"], w[f"ln_b{order}"], self.eps)
            for layer in ("1", "2"):
                padded = functional.pad(x := x * inside, (0, 0, left, order - 1 - left))
                windows = torch.cat([padded[:, k : k + x.shape[1]] for k in range(order)], dim=2)
                x = functional.relu(windows @ w[f"w{layer}_{order}"] + w[f"b{layer}_{order}"]).float() + x
            features.append(x)
        x = torch.cat(features, dim=2)
        x = functional.layer_norm(x, x.shape[2:], w["ln_g"], w["ln_b"], self.eps) * inside
        count = inside.sum(1)
        mean = (x.sum(1) @ w["cnn_W"] + count * w["cnn_b"]) / count.sqrt()
        y = functional.relu(functional.relu(mean @ w["d0"]) @ w["d1"] + mean @ w["p1"])
        z = torch.tanh((y @ w["p3"] + functional.relu(y @ w["d2"]) @ w["d3"]).float())
        embedding: Tensor = functional.normalize(z, dim=1) * DIMENSION**0.5
        return embedding


def tune(
    encoder: UniversalSentenceEncoder,
    network: Network,
    texts: Sequence[str],
    lists: Floats,
    label: Floats,
    weight: Floats,
    seed: int,
) -> tuple[UniversalSentenceEncoder, Network]:
    """Both, tuned on texts with their list features [N, L], labels and weights [N, O]; the same data give the same.

    ``network`` reads an embedding and the list features after it.
    """
    torch.manual_seed(seed)
    tunable = Tunable(encoder)
    hidden, output = (
        _linear(weight, bias)
        for weight, bias in ((network.hidden, network.hidden_bias), (network.output, network.output_bias))
    )
    heads = [*hidden.parameters(), *output.parameters()]
    learned = [*tunable.parameters(), *heads]
    average = [parameter.detach().clone() for parameter in learned]
    ids = [np.array(encoder.token_ids(text)) for text in texts]
    rng = np.random.default_rng(seed)
    rounds = [list(_batches([len(each) for each in ids], rng)) for _ in range(ROUNDS)]
    optimiser = torch.optim.AdamW(
        [{"params": [*tunable.parameters()], "weight_decay": 0.0}, {"params": heads, "weight_decay": WEIGHT_DECAY}],
        betas=(0.9, 0.98),
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, list(PEAK_RATES), total_steps=sum(map(len, rounds)))
    counts, y, w = (torch.from_numpy(each) for each in (lists, label, weight))
    for rows in (batch for batches in rounds for batch in batches):
        words, inside = _padded(encoder, [ids[i] for i in rows])
        with training_autocast():
            heard = words * (torch.rand(*inside.shape) >= WORDS_LEFT_OUT)
            seen = torch.cat((tunable(heard, inside), counts[rows]), dim=1)
            seen = seen + NOISE * torch.randn_like(seen) * (seen != 0)
            inner = functional.relu(hidden(functional.dropout(seen, DROPOUT[0])))
            odds = output(functional.dropout(inner, DROPOUT[1])).float()
        loss = (functional.binary_cross_entropy_with_logits(odds, y[rows], reduction="none") * w[rows]).mean()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(tunable.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            for mean, parameter in zip(average, learned, strict=True):
                mean.lerp_(parameter, 1 - AVERAGED)
    weights = {name: mean.numpy() for name, mean in zip(tunable.weights, average, strict=False)}
    tuned = replace(encoder, weights=encoder.weights | weights)
    return tuned, Network(*(mean.numpy() for mean in average[len(weights) :]))


def _linear(weight: Floats, bias: Floats) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer


def _batches(lengths: Sequence[int], rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """All rows once, in random batches of about the same length each."""
    order, length = rng.permutation(len(lengths)), np.array(lengths)
    batches = []
    for bucket in np.split(order, range(BATCH * _BUCKET, len(order), BATCH * _BUCKET)):
        ordered = bucket[np.argsort(length[bucket], kind="stable")]
        batches += np.split(ordered, range(BATCH, len(ordered), BATCH))
    for i in rng.permutation(len(batches)):
        yield batches[i]


def _padded(encoder: UniversalSentenceEncoder, ids: Sequence[npt.NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    """Word vectors [B, T, 512] of sentences, and which of them are ``inside``, float [B, T, 1]; 0 elsewhere."""
    lengths = np.array([len(each) for each in ids])
    inside = np.arange(lengths.max()) < lengths[:, None]
    flat = np.zeros(inside.shape, np.int64)
    flat[inside] = np.concatenate(ids)
    shown = torch.from_numpy(inside[:, :, None].astype(np.float32))
    return torch.from_numpy(encoder.words(flat)) * shown, shown
