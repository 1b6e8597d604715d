"""Controller layouts from the parameter table: TouchOSC, Open Stage Control."""
