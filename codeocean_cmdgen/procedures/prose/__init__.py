"""The words of the procedures, apart from their structure."""
