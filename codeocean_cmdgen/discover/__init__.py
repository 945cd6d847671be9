"""Finds the facts of a deployment in its account, or on its services instance.

It only reads, asks AWS each question once, and never reads the value of a secret. boto3 is only
imported to ask AWS; reading stack.json does not need it.
"""
