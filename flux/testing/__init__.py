"""What tests of Flux programs need."""
