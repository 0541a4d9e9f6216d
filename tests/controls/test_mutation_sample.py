"""The sample of mutants: drawn by a seed, from every module, and judged by what was killed."""

from random import Random

from proofs.mutation_sample import LEAST_PER_MODULE, choose, score, table

MUTANTS = [f"a.x_f__mutmut_{n}" for n in range(900)] + [f"b.x_g__mutmut_{n}" for n in range(20)]


def test_a_seed_draws_the_same_sample() -> None:
    """The same seed draws the same mutants, and another seed draws others."""
    first = choose(MUTANTS, 100, Random(1))
    assert first == choose(reversed(MUTANTS), 100, Random(1))
    assert first != choose(MUTANTS, 100, Random(2))


def test_a_small_module_is_drawn_from_too() -> None:
    """A module whose share would be less gives at least a few mutants, and none twice."""
    sample = choose(MUTANTS, 10, Random(1))
    assert sum(name.startswith("b.") for name in sample) == LEAST_PER_MODULE
    assert len(set(sample)) == len(sample)


def test_what_no_test_reaches_has_survived() -> None:
    """Only a red test, a crash or a time-out kills; what was not run does not count."""
    assert score([1, 36, 0, 33, None]) == 0.5


def test_the_table_names_the_survivors() -> None:
    """Each module has a row, and each survivor its name, for `mutmut show`."""
    told = table({"a.x_f__mutmut_1": 1, "b.x_g__mutmut_2": 0}, seed=7)
    assert "| a | 1 | 0 |" in told
    assert "| b | 0 | 1 |" in told
    assert "survived: b.x_g__mutmut_2" in told
