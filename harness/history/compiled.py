"""Kernels: functions in the part of Python that numba compiles."""

from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any


@cache
def compiled(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel and the functions of its module that it calls; kept on disk.

    Those it calls must neither make nor return arrays, so they do without numba's counts of
    references. An atomic operation for each array and call takes half the time of a small loop.
    """
    return _machine_code(kernel)


@cache
def _machine_code(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    from numba import njit  # noqa: PLC0415 -- importing it takes a while

    assert isinstance(function, FunctionType)
    scope = dict(function.__globals__)
    for name in function.__code__.co_names:
        if isinstance(scope.get(name), FunctionType):
            scope[name] = _machine_code(scope[name], _nrt=False)
    twin = FunctionType(function.__code__, scope, function.__name__)
    code: Callable[..., Any] = njit(cache=True, **options)(twin)
    return code
