"""The command line. Nothing here contacts AWS or renders a template: other modules do."""
