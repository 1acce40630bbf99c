"""One service over the graph, and the REST API on top of it."""
