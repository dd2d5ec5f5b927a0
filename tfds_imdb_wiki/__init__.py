"""The IMDB-WIKI face crops as a TFDS dataset, `imdb_wiki` (configs `imdb`, `wiki`, `imdb_wiki`)."""
