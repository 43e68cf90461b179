"""All SQL of integration."""
