"""What runs inside the containers beside the services: preparation and the health check."""
