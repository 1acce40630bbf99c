"""The demo: two local servers that stand in for a shop and a CRM, and the command that uses them."""
