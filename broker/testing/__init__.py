"""Running a service without a broker."""
