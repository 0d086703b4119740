"""`python -m shop` is the `shop` command."""

from shop.cli import main

if __name__ == "__main__":
    main()
