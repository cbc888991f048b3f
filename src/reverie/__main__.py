"""`python -m reverie` is the `reverie` command: what torchrun starts."""

from .cli import main

if __name__ == "__main__":
    main()
