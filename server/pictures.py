"""Pictures of items: generated artwork for all of them, posters and covers of a local folder where there is one."""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, Response, send_from_directory
from werkzeug.exceptions import NotFound

from indexer.catalogue.records import Medium, Movie
from server.api import item_in_address
from server.artwork import draw_poster, draw_sleeve
from server.leases import Current

_ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
#: An item may look otherwise in the next version; until then a browser need not ask again.
_KEPT_S = 3_600


def make_pictures(current: Current, posters: Path | None, covers: Path | None) -> Blueprint:
    """Make the routes over the ``Search`` that ``current`` gives and the folders of posters and covers."""
    pictures = Blueprint("pictures", __name__)
    folders: dict[str, Path | None] = {"movies": posters, "tracks": covers}

    @pictures.get("/art/<any(movies, tracks):medium>/<id>.svg")
    def art(medium: Medium, id: str) -> Response:
        with item_in_address():
            item = current().item(medium, id)
        drawn = draw_poster(item) if isinstance(item, Movie) else draw_sleeve(item)
        return _keep(Response(drawn, mimetype="image/svg+xml"))

    @pictures.get("/pictures/<any(movies, tracks):medium>/<id>")
    def picture(medium: Medium, id: str) -> Response:
        folder = folders[medium]
        if folder is None:
            raise NotFound(f"This server has no folder of pictures of {medium}.")
        with item_in_address():
            item = current().item(medium, id)
        names = [item.id] + ([item.imdb_id] if isinstance(item, Movie) and item.imdb_id else [])
        for name in names:
            for ending in _ENDINGS:
                # An id is a catalogue's, so it may hold anything: only a plain file name is looked for.
                if Path(name).name == name and (folder / f"{name}{ending}").is_file():
                    return _keep(send_from_directory(folder.resolve(), f"{name}{ending}"))
        raise NotFound(f"There is no picture of {id!r} in the folder.")

    return pictures


def _keep(response: Response) -> Response:
    response.headers["Cache-Control"] = f"private, max-age={_KEPT_S}"
    return response
