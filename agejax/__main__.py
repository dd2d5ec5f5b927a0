"""`python -m agejax`: the `agejax` command."""

from agejax.cli import main

if __name__ == "__main__":
    main()
