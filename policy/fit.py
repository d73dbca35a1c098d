"""Fit the heads, then tune the encoder with them (`policy.tuning`).

The heads are one small network over the features of `policy.classifier`, one output per category. Each output is
trained on its own labels with its own weights (`targets`), so that a prompt of one category is neither example nor
counterexample for a category it shades into. The hidden layer is shared: a twin pair of one category teaches all of
them what a harmless sense looks like. One more output learns harm of any category (`any_harm`), from all pairs
together; its log-odds are averaged into those of every head, which needs no output of its own in use. Of the networks
whose log-odds are averaged the last reads the embedding alone, so that listed words move the average less.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from countermark.core.encoders.text import UniversalSentenceEncoder
from countermark.core.errors import ConfigurationError
from policy.classifier import Floats, Heads, Network
from policy.corpus import OVERT, Example

HEADS = (
    "sexual",
    "suggestive",
    "graphic_violence",
    "hate",
    "self_harm",
    "illicit",
    "dangerous_acts",
    "political_deception",
    "private_likeness",
    "intellectual_property",
    "privacy",
    "fraud",
    "disturbing",
)
# Categories that shade into each other: an example of one is no counterexample for the other.
_NEIGHBOURS = (
    {"sexual", "suggestive"},
    {"graphic_violence", "disturbing", "self_harm"},
    {"illicit", "dangerous_acts", "fraud"},
    {"privacy", "private_likeness", "fraud"},
    {"political_deception", "fraud", "hate"},
    {"intellectual_property", "fraud"},
)
SEED = 20261125
MEMBERS = 2  # networks from different starts whose log-odds are averaged, in one file as one wider network
WITHOUT_LISTS = 1  # of them, the last ones, which read no list
HIDDEN = 384  # units of each
EPOCHS = 16
BATCH = 256
PEAK_RATE = 3e-3
WEIGHT_DECAY = 1e-2
NOISE = 0.3  # standard deviation of what is added to every feature that is not zero
DROPOUT = (0.1, 0.3)  # of the features, of the hidden layer
WEIGHTS = {"own": 3.0, "own_benign": 4.0, **dict.fromkeys(OVERT, 3.0), "chat": 0.3, "caption": 0.5}
OTHER_CATEGORY = 0.5  # weight of an unsafe prompt as counterexample for another category
PART_OF_HARMLESS = 0.6  # weight of a clause of a harmless prompt, read by itself
POSITIVE_SHARE = 0.4  # share of the total weight given to each category's positives
ANY_HARM_WEIGHT = 6.0  # of the output for any harm in the loss, against one category
ANY_HARM_SHARE = 0.4  # of its log-odds in those of every head


def source_weight(example: Example) -> float:
    """How much one example counts: own prompts most, captions and chat requests (a different style) least."""
    return WEIGHTS.get(example.source) or WEIGHTS["chat" if example.unsafe else "caption"]


def targets(examples: Sequence[Example]) -> tuple[Floats, Floats]:
    """Labels and weights [N, C]: a head's own unsafe prompts against harmless ones and, lighter, other categories.

    Raises `ConfigurationError` when a category has no example.
    """
    label = np.zeros((len(examples), len(HEADS)), np.float32)
    weight = np.tile(np.array([source_weight(e) for e in examples], np.float32)[:, None], (1, len(HEADS)))
    near = {c: set().union(*(group for group in _NEIGHBOURS if c in group)) for c in HEADS}
    for i, e in enumerate(examples):
        if not e.unsafe:
            continue
        for k, category in enumerate(HEADS):
            label[i, k] = e.category == category
            if e.category != category:
                weight[i, k] *= 0 if e.category in near[category] else OTHER_CATEGORY
    for k, category in enumerate(HEADS):
        positive = label[:, k] > 0
        if not positive.any():
            raise ConfigurationError(f"No unsafe prompt for {category}.", remedy="Add some to policy/data/prompts.")
        _balance(weight[:, k], positive)
    return label, weight


def any_harm(examples: Sequence[Example]) -> tuple[Floats, Floats]:
    """Labels and weights [N] of unsafe prompts of whatever category against harmless ones."""
    label = np.array([e.unsafe for e in examples], np.float32)
    weight = np.array([source_weight(e) for e in examples], np.float32)
    _balance(weight, label > 0)
    return label, weight


def _balance(weight: Floats, positive: npt.NDArray[np.bool_]) -> None:
    """Scale ``weight`` [N] in place so that the positives have their share of it."""
    share = POSITIVE_SHARE / (1 - POSITIVE_SHARE)
    weight[positive] *= share * weight[~positive].sum() / weight[positive].sum()


def fit(
    features: Floats,
    examples: Sequence[Example],
    names: tuple[str, ...],
    encoder: str,
    part: npt.NDArray[np.bool_] | None = None,
) -> Heads:
    """Fit all heads on features [N, F]; ``part`` marks the rows that are clauses of harmless prompts.

    AdamW with a one-cycle schedule; the same data give the same heads.
    """
    label, weight = _taught(examples, part)
    return _heads(_network(features, names, label, weight), names, encoder)


def fit_tuned(
    encoder: UniversalSentenceEncoder,
    texts: Sequence[str],
    features: Floats,
    examples: Sequence[Example],
    names: tuple[str, ...],
    part: npt.NDArray[np.bool_],
) -> tuple[UniversalSentenceEncoder, Heads]:
    """As `fit`, of ``texts`` with their features by the ``encoder`` as published, and then that tuned with them."""
    from policy.tuning import tune  # torch is for training only

    label, weight = _taught(examples, part)
    network = _network(features, names, label, weight)
    tuned, network = tune(encoder, network, texts, features[:, -len(names) :], label, weight, SEED)
    tuned = encoder.tuned(tuned.to_bytes())  # as it is stored, and by its name
    return tuned, _heads(network, names, tuned.name)


def _taught(examples: Sequence[Example], part: npt.NDArray[np.bool_] | None) -> tuple[Floats, Floats]:
    """Labels and weights [N, C + 1]; the last column is harm of any category."""
    label, weight = targets(examples)
    harm, harm_weight = any_harm(examples)
    label = np.column_stack([label, harm])
    weight = np.column_stack([weight / weight.mean(), ANY_HARM_WEIGHT * harm_weight / harm_weight.mean()])
    if part is not None:
        weight[part] *= PART_OF_HARMLESS
    return label, weight / weight.mean()


def _network(features: Floats, names: tuple[str, ...], label: Floats, weight: Floats) -> Network:
    """The members as one wide network with an output for each column of ``label``."""
    embedding = without_lists(features, names)
    members = []
    for i in range(MEMBERS):
        listed = i < MEMBERS - WITHOUT_LISTS
        member = _member(features if listed else embedding, label, weight, SEED + i)
        if not listed:  # where nothing was seen, the weights of the start are left
            member[0] = without_lists(member[0], names)
        members.append(member)
    hidden, hidden_bias = (np.concatenate([m[i] for m in members]) for i in (0, 1))
    output = np.asarray(np.concatenate([m[2] for m in members], axis=1) / MEMBERS, np.float32)
    output_bias = np.asarray(np.mean([m[3] for m in members], axis=0), np.float32)
    return Network(hidden, hidden_bias, output, output_bias)


def _heads(network: Network, names: tuple[str, ...], encoder: str) -> Heads:
    """A head per category, with its share of the output for any harm."""
    mixed = [(1 - ANY_HARM_SHARE) * o[:-1] + ANY_HARM_SHARE * o[-1:] for o in (network.output, network.output_bias)]
    return Heads(network.hidden, network.hidden_bias, mixed[0], mixed[1], HEADS, names, encoder)


def without_lists(columns: Floats, names: tuple[str, ...]) -> Floats:
    """A copy of features [N, F], or of a hidden layer's weights [H, F], with the columns of the lists set to zero."""
    out = columns.copy()
    out[:, -len(names) :] = 0
    return out


def _member(features: Floats, label: Floats, weight: Floats, seed: int) -> list[Floats]:
    """One network: hidden layer [H, F] and [H], output [C + 1, H] and [C + 1]; the last output is for any harm."""
    import torch
    from torch.nn import functional

    torch.manual_seed(seed)
    x, y, w = (torch.from_numpy(a) for a in (features, label, weight))
    hidden = torch.nn.Linear(x.shape[1], HIDDEN)
    output = torch.nn.Linear(HIDDEN, label.shape[1])
    parameters = [*hidden.parameters(), *output.parameters()]
    optimiser = torch.optim.AdamW(parameters, weight_decay=WEIGHT_DECAY)
    steps = EPOCHS * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x)).split(BATCH):
            seen = x[rows]
            noisy = seen + NOISE * torch.randn_like(seen) * (seen != 0)
            inner = functional.relu(hidden(functional.dropout(noisy, DROPOUT[0])))
            odds = output(functional.dropout(inner, DROPOUT[1]))
            loss = (functional.binary_cross_entropy_with_logits(odds, y[rows], reduction="none") * w[rows]).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return [t.detach().numpy() for t in (hidden.weight, hidden.bias, output.weight, output.bias)]
