"""The HTTP side of Segue: JSON API and web page over one opened index version."""
