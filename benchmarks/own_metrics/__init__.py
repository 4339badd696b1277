"""What section fraud costs, and what it costs written as a configuration."""
