"""Stage one: images to pooled embeddings of frozen CNNs, cached in HDF5."""
