"""What can be wrong with a scenario whose keys are right one by one: names, times, the budget."""
