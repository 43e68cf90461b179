"""The reference of the published language, generated from its models: `make docs`."""
