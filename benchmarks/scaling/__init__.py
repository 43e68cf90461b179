"""`make scale`: what more replicas bring, and what a client notices when they come and go."""
