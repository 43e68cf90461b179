"""All SQL of reporting: what events write, and the figures that are worked out from it."""
