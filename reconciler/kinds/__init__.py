"""One folder a kind of resource; order.txt is the one file that names several."""
