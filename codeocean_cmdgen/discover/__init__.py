"""Finds the facts of a deployment where they are: in its account, or on its services instance.

Reads only, asks AWS for each thing once, and no value of a secret. boto3 is imported when AWS is
asked: what stack.json tells needs none.
"""
