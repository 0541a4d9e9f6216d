"""The Docker engine: images, containers, labels, and what runs left behind."""
