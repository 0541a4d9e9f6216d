"""The mixes of random runs on which checkers are compared with the oracle."""

from dataclasses import replace

from worlds.histories.random import Mix

WHOLE_MODEL = Mix(
    priorities=2,
    release=0.1,
    crash=0.1,
    ended=0.5,
    unknown_put=0.1,
    unknown_reserve=0.1,
    unknown_end=0.1,
)
MIXES = {
    "plain-takes": Mix(take=True),
    "unknown-takes": Mix(take=True, unknown_put=0.1, unknown_reserve=0.1),
    "reserves": Mix(priorities=3, release=0.2),
    "whole-model": WHOLE_MODEL,
    "zxids": Mix(priorities=2, release=0.15, crash=0.1, recovered=1.0, zxids=True),
    "zxids-unknown": replace(WHOLE_MODEL, zxids=True),
    "crashes": Mix(priorities=2, release=0.1, crash=0.1, unknown_put=0.1, unknown_end=0.1),
}
