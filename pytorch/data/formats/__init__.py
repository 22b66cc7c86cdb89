"""The files that captions are published in, one module for each format."""
