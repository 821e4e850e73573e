"""Vector indexes: the only package that knows FAISS, its index kinds, filters, padding and score direction.

    kind     what a search does                                          vectors kept   for
    exact    compares the query with every allowed row                   float32        few rows
    codes    scans 4-bit codes of all rows, re-ranks the best exactly    float32        to 300,000 rows
    ivf      the same over the nearest lists of codes                    float16        more rows
    rabitq   the same with one bit a number                              float16        little memory
    hnsw     walks a graph                                               float32        where asked for

Scores are inner products of the vectors as kept (nothing is normalised here); higher is better. Results are
ordered by score, best first, equal scores by row, so that pages of one query never repeat or skip a row.
"""

from indexer.vector_index.base import (
    LARGEST_NUMBER,
    Allowed,
    FileIndex,
    Neighbours,
    VectorIndex,
    check_rows,
    rank_rows,
)
from indexer.vector_index.choose import KINDS, BuiltIndex, IndexPlan, build_index, open_index
from indexer.vector_index.coded import CodedParams
from indexer.vector_index.exact import ExactIndex
from indexer.vector_index.faiss_calls import set_threads
from indexer.vector_index.hnsw import HnswIndex, HnswParams

__all__ = [
    "KINDS",
    "LARGEST_NUMBER",
    "Allowed",
    "BuiltIndex",
    "CodedParams",
    "ExactIndex",
    "FileIndex",
    "HnswIndex",
    "HnswParams",
    "IndexPlan",
    "Neighbours",
    "VectorIndex",
    "build_index",
    "check_rows",
    "open_index",
    "rank_rows",
    "set_threads",
]
