"""The captioning model: encoders, decoders, search, text, and checkpoints of them together."""
