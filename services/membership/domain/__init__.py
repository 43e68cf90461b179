"""The rules of membership: who is in the programme. Plain Python, no I/O."""
