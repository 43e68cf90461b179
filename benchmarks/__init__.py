"""Speeds and costs, each beside a reference measured in the same process and the same minutes."""
