"""The shortened BCH codes over GF(2^7) in which TrustMark wraps its messages.

Systematic encoding by the generator polynomial; hard decoding by Berlekamp and Massey with Chien's search (Lin and
Costello, *Error Control Coding*, 2nd ed., chapter 6). The field is built on x^7 + x^3 + 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

_DEGREE, _POLYNOMIAL = 7, 0b10001001
_ORDER = 2**_DEGREE - 1


def _powers() -> tuple[list[int], list[int]]:
    """Powers of the primitive element, twice round, and their logarithms."""
    exponent, logarithm, value = [0] * (2 * _ORDER), [0] * (_ORDER + 1), 1
    for index in range(_ORDER):
        exponent[index] = exponent[index + _ORDER] = value
        logarithm[value] = index
        value <<= 1
        if value >> _DEGREE:
            value ^= _POLYNOMIAL
    return exponent, logarithm


_EXP, _LOG = _powers()


def _times(one: int, other: int) -> int:
    return _EXP[_LOG[one] + _LOG[other]] if one and other else 0


def _over(one: int, other: int) -> int:
    return _EXP[_LOG[one] - _LOG[other] + _ORDER] if one else 0


class Bch:
    """A binary BCH code that corrects ``errors`` errors in words of at most 127 bits, the first bit highest."""

    def __init__(self, errors: int) -> None:
        self.errors = errors

    @property
    def parity_bits(self) -> int:
        """How many bits the code adds."""
        return self._generator.bit_length() - 1

    @cached_property
    def _generator(self) -> int:
        """Least common multiple of the minimal polynomials of the first ``2 errors`` powers, as bits of an int."""
        roots = {root * 2**k % _ORDER for root in range(1, 2 * self.errors, 2) for k in range(_DEGREE)}
        coefficients = [1]  # lowest power first
        for root in roots:
            shifted = [0, *coefficients]
            scaled = [*(_times(c, _EXP[root]) for c in coefficients), 0]
            coefficients = [a ^ b for a, b in zip(shifted, scaled, strict=True)]
        return sum(bit << power for power, bit in enumerate(coefficients))

    def encode(self, data: Sequence[int]) -> list[int]:
        """The parity bits of ``data``."""
        rest = _to_int(data) << self.parity_bits
        for power in range(len(data) + self.parity_bits - 1, self.parity_bits - 1, -1):
            if rest >> power & 1:
                rest ^= self._generator << (power - self.parity_bits)
        return [rest >> power & 1 for power in range(self.parity_bits - 1, -1, -1)]

    def decode(self, word: Sequence[int]) -> list[int] | None:
        """``word`` (data, then parity) without its errors, or None if there are more than can be corrected."""
        size = len(word)
        ones = [size - 1 - index for index, bit in enumerate(word) if bit]
        syndromes = []
        for power in range(1, 2 * self.errors + 1):
            syndrome = 0
            for position in ones:
                syndrome ^= _EXP[power * position % _ORDER]
            syndromes.append(syndrome)
        if not any(syndromes):
            return list(word)
        locator = _locator(syndromes)
        wrong = [position for position in range(size) if not _value(locator, (_ORDER - position) % _ORDER)]
        if len(locator) - 1 > self.errors or len(wrong) != len(locator) - 1:
            return None
        corrected = list(word)
        for position in wrong:
            corrected[size - 1 - position] ^= 1
        return corrected

    def random_word_rate(self, size: int) -> float:
        """The share of all words of ``size`` bits that decode to something."""
        return sum(math.comb(size, count) for count in range(self.errors + 1)) / 2.0**self.parity_bits


def _locator(syndromes: list[int]) -> list[int]:
    """The shortest error locator polynomial that explains the syndromes, lowest power first."""
    current, previous = [1], [1]
    length, gap, last = 0, 1, 1
    for step, syndrome in enumerate(syndromes):
        discrepancy = syndrome
        for index in range(1, min(length, len(current) - 1) + 1):
            discrepancy ^= _times(current[index], syndromes[step - index])
        if not discrepancy:
            gap += 1
            continue
        scale = _over(discrepancy, last)
        shifted = [0] * gap + [_times(scale, c) for c in previous]
        width = max(len(current), len(shifted))
        updated = [a ^ b for a, b in zip(_padded(current, width), _padded(shifted, width), strict=True)]
        if 2 * length <= step:
            previous, last, length, gap = current, discrepancy, step + 1 - length, 1
        else:
            gap += 1
        current = updated
    while len(current) > 1 and not current[-1]:
        current.pop()
    return current


def _value(polynomial: list[int], power: int) -> int:
    """The polynomial at the ``power``-th power of the primitive element."""
    total = 0
    for index, coefficient in enumerate(polynomial):
        total ^= _times(coefficient, _EXP[index * power % _ORDER])
    return total


def _padded(polynomial: list[int], width: int) -> list[int]:
    return polynomial + [0] * (width - len(polynomial))


def _to_int(bits: Sequence[int]) -> int:
    return int("".join(str(int(bit)) for bit in bits) or "0", 2)
