"""The route of items to pick a taste from."""

from __future__ import annotations

from typing import Any

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field

from indexer.catalogue.records import Medium
from server import replies, request_schemas
from server.leases import Current

_TAG = Tag(name="search", description="songs, films and words combined")


class PicksQuery(request_schemas.Parameters):
    """Which items, and which page of them."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    medium: Medium = Field(default="movies", description="what to pick from")
    page: int = Field(default=0, ge=0, le=1_000, description="from 0; each page holds other items")
    limit: int = Field(default=24, ge=1, le=100, description="items on a page")


class PicksReply(BaseModel):
    """Well-known items, the same for the same page of the same version."""

    index_version: str
    pages: int = Field(description="how many pages of so many items there are")
    results: list[dict[str, Any]]


def add_picks(api: APIBlueprint, current: Current) -> None:
    """Add the route over the ``Search`` that ``current`` gives."""

    @api.get("/v1/picks", tags=[_TAG], summary="Items to pick a taste from", responses={200: PicksReply})
    def picks(query: PicksQuery) -> dict[str, Any]:
        search = current()
        pages, items = search.pick(query.medium, query.page, query.limit)
        return {
            "index_version": search.name,
            "pages": pages,
            "results": [replies.show_item(item) for item in items],
        }
