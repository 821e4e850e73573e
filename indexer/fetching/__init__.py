"""What comes from the net: pictures and metadata, from named hosts only and within limits of time and size."""
