from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from indexer.catalogue_store import CatalogueStore, write_store

SONGS = [
    ("6rqhFgbbKwnb9MLmUQDhG6", "Africa", "TOTO", "", 90.0),
    ("t1", "Bohemian Rhapsody - Remastered 2011", "Queen", "old1", 82.0),
    ("t2", "Under Pressure", "Queen|David Bowie", "", 80.0),
    ("t3", "Hallelujah", "Leonard Cohen", "", 60.0),
    ("t4", "Wonderwall - Live at Knebworth", "Oasis", "", 50.0),
    ("t5", "Crazy In Love (feat. JAY-Z)", "Beyoncé|JAY-Z", "", 85.0),
    ("t6", "Song (Part 1)", "The Band of Two", "", 10.0),
    ("t7", "99 Luftballons", "Nena", "", 70.0),
    ("t8", "Yesterday", "The Beatles", "", 90.0),
    ("t9", "Yesterday", "Boyz II Men", "", 40.0),
    ("t10", "Hvor er du nå", "Bjørn Æsop", "", 5.0),
    ("t11", "Earth Angel (Will You Be Mine)", "The Penguins", "", 30.0),
    ("t12", "No Woman, No Cry", "Bob Marley & The Wailers", "", 75.0),
    ("t13", "Stand by Me", "Ben E. King", "", 75.0),
    ("t14", "Hard Time Killing Floor Blues", "Skip James", "", 20.0),
    ("t15", "Around the World", "Daft Punk", "", 70.0),
    ("t16", "Around the World - Radio Edit", "Daft Punk", "", 30.0),
    ("t17", "夜に駆ける", "YOASOBI", "", 75.0),
    ("t18", "Anti-Hero", "Taylor Swift", "", 88.0),
    ("t19", "In Da Club", "50 Cent", "", 80.0),
]


@pytest.fixture(scope="session")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CatalogueStore]:
    """A catalogue of a few songs."""
    path = tmp_path_factory.mktemp("songs") / "catalogue.sqlite"
    tracks = pd.DataFrame(SONGS, columns=["id", "title", "artists", "other_ids", "popularity"])
    write_store(path, pd.DataFrame({"id": ["1"], "title": ["Rain"]}), tracks)
    store = CatalogueStore.open(path)
    yield store
    store.close()
