"""What the monitoring costs as the platform grows: coefficients of a capacity model, measured."""
