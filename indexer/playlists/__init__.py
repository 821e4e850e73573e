"""Playlists of every layout people have: read into entries, and each entry found in the catalogue or not."""
