"""Commands that run many scenarios to find a failure, or a smaller one."""
