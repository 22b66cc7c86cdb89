"""The model in plain PyTorch: from photographs to captions, and from data sets to models."""
