"""Products, variants, collections: what the shop sells, how it gets in, how it is found."""
