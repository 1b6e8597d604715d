"""OSC: codec, address patterns, router, UDP and TCP servers, feedback, OSCQuery."""
