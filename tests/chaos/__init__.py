"""The platform under fire: load with a ledger, faults at random, and a checker of what is left."""
