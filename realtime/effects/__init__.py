"""The effects chain after the decoder: built-in effects, VST3 and AU plug-ins."""
