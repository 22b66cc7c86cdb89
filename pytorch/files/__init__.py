"""Image files read and files written, by the pages and the model alike; none of it needs torch."""
