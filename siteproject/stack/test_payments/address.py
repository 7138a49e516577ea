"""Where the stand-in is: alone, so that the supervisor knows it without loading the SDK."""

HOST = "127.0.0.1"
