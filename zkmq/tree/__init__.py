"""The queue's tree: paths, names, what each node holds, and which clients may use it."""
