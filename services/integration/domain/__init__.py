"""The rules of integration: whose systems are connected, and what they may report."""
