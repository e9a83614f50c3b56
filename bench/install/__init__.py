"""Fresh environments: first run of every template, requirements beside other packs."""
