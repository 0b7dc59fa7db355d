"""Which frozen CNN, classical head and class balancing is best on your images, and is SMOTE worth it?"""
