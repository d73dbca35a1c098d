"""What every floor stands on: media, weights, encoders, settings and errors."""
