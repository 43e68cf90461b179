"""What is sent to trusts, beside the consumer."""
