"""Many runs: fuzzing, replaying and shrinking failures."""
