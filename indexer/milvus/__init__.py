"""Search on Milvus, an engine of its own, instead of FAISS in the process."""
