"""Where values come from: options, environment, deployment file, stack.json, and the person.

`deployment_file` reads and validates the deployment file for every command. `resolve` makes a step
of checked values. `update` writes facts into a file, `example` a new one.
"""
