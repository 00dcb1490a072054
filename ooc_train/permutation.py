"""A seeded bijection of ``range(n)`` that needs no memory proportional to ``n``.

Shuffling rows, choosing the validation rows and ordering slices all need a random order in which
any position can be looked up at once, without replaying earlier ones.  Up to ``TABLE_SIZE``
elements the order is a table, drawn uniformly.  Beyond, it is a Feistel network over the next
power of four with cycle walking (Black and Rogaway, "Ciphers with Arbitrary Finite Domains",
CT-RSA 2002): a permutation computed element by element.

>>> order = Permutation(5, 0)
>>> sorted(order(np.arange(5)).tolist())
[0, 1, 2, 3, 4]
"""

import numpy as np

from ooc_train.dtypes import I64, U64, Integers

TABLE_SIZE = 65_536
ROUNDS = 6


class Permutation:
    """A bijection of ``range(n)``, a pure function of ``n`` and the integers in ``entropy``.

    Memory: at most 512 KiB, whatever ``n``.
    """

    def __init__(self, n: int, *entropy: int) -> None:
        sequence = np.random.SeedSequence(entropy)
        self.n = n
        self._table: I64 | None = None
        if n <= TABLE_SIZE:
            self._table = np.random.default_rng(sequence).permutation(n)
            return
        self._half_bits = np.uint64(((n - 1).bit_length() + 1) // 2)
        self._half_mask = np.uint64((1 << int(self._half_bits)) - 1)
        self._keys = sequence.generate_state(ROUNDS, np.uint64)

    def __call__(self, positions: Integers) -> I64:
        """The images of ``positions``, integers in ``range(n)``, as int64 of the same shape."""
        if self._table is not None:
            return self._table[positions]
        images = self._encrypt(positions.astype(np.uint64))
        outside = np.flatnonzero(images >= self.n)
        while outside.size:
            walked = self._encrypt(images[outside])
            images[outside] = walked
            outside = outside[walked >= self.n]
        return images.astype(np.int64)

    def _encrypt(self, words: U64) -> U64:
        left = words >> self._half_bits
        right = words & self._half_mask
        for key in self._keys:
            mixed = (right + key) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(32)
            mixed *= np.uint64(0xD6E8FEB86659FD93)
            mixed ^= mixed >> np.uint64(32)
            left, right = right, left ^ (mixed & self._half_mask)
        return (left << self._half_bits) | right
