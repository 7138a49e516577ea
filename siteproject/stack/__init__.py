"""The local stack: the servers that ``bin/up`` starts, watches and stops. Nothing here imports Django."""
