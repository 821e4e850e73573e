"""What is written by hand of films, songs, artists, genres and moods, and the parameters fitted to it."""
