"""`fxd dashboard`: the page of a running home, and its metrics."""
