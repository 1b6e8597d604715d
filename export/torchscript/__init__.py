"""Conversion of TorchScript models of the nn~ kind."""
