"""Python imports this by itself at every start where this folder is on its path.

The queues of all processes that are started so are mutated: `ZKMQ_MUTANT` names the mutant.
"""

import os
from contextlib import ExitStack

from worlds.crash_points.weakened import MUTANTS
from worlds.planted.reaper_mutants import REAPER_MUTANTS

_mutated = ExitStack()  # kept: a context that nobody refers to is left
_mutants = {mutant.name: mutant.applied for mutant in (*MUTANTS, *REAPER_MUTANTS)}
_mutated.enter_context(_mutants[os.environ["ZKMQ_MUTANT"]]())
