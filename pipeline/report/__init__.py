"""The report: collected once, rendered in every form."""
