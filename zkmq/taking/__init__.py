"""The consuming side: reserve, hold, and finish items."""
