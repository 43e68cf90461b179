"""What brings other systems' data to the platform, by its public interfaces alone."""
