"""TorchScript files as they are: checked, read, and run.

==============  ============================================================
`archive`       checks of the zip archive, before anything in it is unpacked
`nn_tilde`      what the file announces, by the contract of the host nn~
`method_roles`  its methods as methods of a model file
`module_state`  everything that a module keeps from call to call
`detect_state`  the caches of a method: what changes when it runs
==============  ============================================================
"""

__all__ = ["archive", "detect_state", "method_roles", "module_state", "nn_tilde"]
