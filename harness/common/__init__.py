"""What every room of the harness uses: errors, files, time, waiting, progress, registries."""
