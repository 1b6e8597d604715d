"""A TorchScript file from outside and inside: archive, nn~ contract, roles of methods, state."""
