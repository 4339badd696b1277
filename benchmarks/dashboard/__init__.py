"""What one refresh of the dashboard on the wall costs PostgreSQL."""
