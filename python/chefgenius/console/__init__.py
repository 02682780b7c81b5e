"""How a command looks: tables and figures for people (`screen`), a bar with the time left (`progress`)."""
