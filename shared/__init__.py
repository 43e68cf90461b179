"""What all services stand on. No rule of the programme lives here."""
