"""All SQL of scheduling: what membership says, what is known of it, and the days themselves."""
