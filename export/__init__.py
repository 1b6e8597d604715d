"""From a trained module to one streaming ONNX file that describes itself."""
