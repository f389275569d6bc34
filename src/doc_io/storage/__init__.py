"""How bytes become durable documents: a local disk, or any other path that fsspec can write."""
