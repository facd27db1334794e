"""How a broker learns its rank, size and peers."""
