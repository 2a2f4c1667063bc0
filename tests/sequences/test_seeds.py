from __future__ import annotations

from stages.sequences.seeds import derive_seed, generator


def test_a_seed_depends_on_every_part_of_its_purpose_and_on_nothing_else():
    seeds = [derive_seed(*parts) for parts in [(0,), (1,), (0, "a"), (0, "b"), (0, "a", 1), (0, "a1"), (0, "a", 2)]]
    assert len(set(seeds)) == len(seeds) and all(0 <= seed < 2**63 for seed in seeds)
    # First 8 bytes of `printf '0\x1fa' | sha256sum`, halved: the same on every machine.
    assert derive_seed(0, "a") == 0xEF2C25EF33CA6BEC >> 1


def test_generators_of_one_purpose_agree():
    assert generator(3, "order", 1).random() == generator(3, "order", 1).random() != generator(3, "order", 2).random()
