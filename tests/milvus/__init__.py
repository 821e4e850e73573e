"""Tests of Milvus as the engine; ``scripts/milvus_dev test`` runs those that need its standalone server as well."""
