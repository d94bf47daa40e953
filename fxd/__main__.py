"""`python -m fxd`."""

from fxd.cli import main

if __name__ == "__main__":
    main()
