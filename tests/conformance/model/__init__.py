"""The kernel's model: relays, consumers and operators in any order of their steps."""
