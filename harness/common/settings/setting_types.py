"""Types of YAML keys: each carries its own bounds into the schema and its errors."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

CLOCK_REREAD_S = 2.0  # libfaketime caches a time for 1 s, counted in whole seconds
LEAST_JUMP_S = 5.0  # on a busy machine, two looks at a clock may be almost as far apart


def _seen(offset_s: float) -> float:
    if abs(offset_s) < LEAST_JUMP_S:
        told = f"at least {LEAST_JUMP_S:g} s either way, since less cannot be seen for certain"
        raise ValueError(f"expected {told}, got {offset_s:g}")
    return offset_s


def _reread(period_s: float) -> float:
    least_s = 2 * CLOCK_REREAD_S
    if period_s < least_s:
        told = f"at least {least_s:g} s, since a server rereads its clock each {CLOCK_REREAD_S:g} s"
        raise ValueError(f"expected {told}, got {period_s:g}")
    return period_s


def _rising(bounds: list[int]) -> list[int]:
    if bounds[0] > bounds[1]:
        raise ValueError(f"expected the least before the most, got {bounds[0]} before {bounds[1]}")
    return bounds


MAX_SECONDS = 1e6  # eleven days: longer than any run, and short enough for every clock and wait
Line = Annotated[str, Field(pattern=r"^[^\r\n]*$", max_length=1000)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
Clients = Annotated[int, Field(ge=1, le=500)]  # a process each
Place = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS)]
Positive = Annotated[float, Field(gt=0, le=MAX_SECONDS)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[int, Field(ge=0, le=60_000)]
Rate = Annotated[float, Field(gt=0, le=1e6)]
Priority = Annotated[int, Field(ge=0, le=999)]
Jump = Annotated[float, Field(ge=-1e9, le=1e9), AfterValidator(_seen)]  # thirty years either way
StrobePeriod = Annotated[
    float,
    Field(le=MAX_SECONDS, json_schema_extra={"minimum": 2 * CLOCK_REREAD_S}),
    AfterValidator(_reread),  # tells why, which a bound does not
]
Share = Annotated[int, Field(ge=0, le=100)]  # percent
Percent = Annotated[float, Field(gt=0, le=100)]
Sizes = Annotated[
    list[Annotated[int, Field(ge=1, le=1_000_000)]],
    Field(min_length=2, max_length=2),
    AfterValidator(_rising),
]
Groups = Annotated[list[Annotated[list[str | int], Field(min_length=1)]], Field(min_length=2)]


# No unknown key, nothing coerced; the text below a field is its description in the schema.
SETTINGS = ConfigDict(
    extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
)


class Strict(BaseModel):
    """A mapping without unknown keys, whose values are not coerced."""

    model_config = SETTINGS | ConfigDict(frozen=True)


def shared(settings: Strict, keys: type[Strict]) -> dict[str, Any]:
    """Return the settings that these keys define, by name: a part of a larger mapping."""
    return {key: getattr(settings, key) for key in keys.model_fields}


def refuse(wrong: bool, expected: str) -> None:  # noqa: FBT001 -- reads as a sentence
    """Complain of a setting from inside a validator.

    Raises:
        ValueError: it is wrong; the loader adds file, line and key.
    """
    if wrong:
        raise ValueError(f"expected {expected}")
