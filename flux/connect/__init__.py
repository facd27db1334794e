"""How to reach a broker, by URI scheme."""
