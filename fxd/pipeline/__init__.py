"""A file's life, in the order in which it is lived: inbox, workers, process, publish."""
