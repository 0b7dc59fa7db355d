"""The roof: the commands, what joins the two stages, the report."""
