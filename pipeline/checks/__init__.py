"""What may be wrong with a study: facts gathered, then judged."""
