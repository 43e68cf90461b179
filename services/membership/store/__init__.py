"""All SQL of membership: one module a resource."""
