"""What is stored about jobs: values, and eventlogs as they grow."""
