"""Stage two: embeddings to out-of-fold predictions, metrics and statistics."""
