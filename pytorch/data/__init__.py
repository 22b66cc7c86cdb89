"""Data sets: captions, images, and the region features computed from them."""
