"""The model: a photograph to a sentence, and the checkpoint that holds it."""
