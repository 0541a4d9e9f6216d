"""Why a run is invalid, in a few lines that the history proves."""
