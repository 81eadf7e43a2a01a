"""The tree, which is `glomar_schemas.tree` since publishers check the ledger with it. For the auditor."""

from glomar_schemas.tree import MAX_CACHED_TILES, TILE_HEIGHT, TILE_WIDTH, ReadTile, Tile, Tree

__all__ = ["MAX_CACHED_TILES", "TILE_HEIGHT", "TILE_WIDTH", "ReadTile", "Tile", "Tree"]
