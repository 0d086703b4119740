"""Products, variants, collections: what the shop sells, how it gets in, how it is found."""


class CatalogueError(ValueError):
    """A file that can't be imported as it is; str() is one line for the merchant."""
