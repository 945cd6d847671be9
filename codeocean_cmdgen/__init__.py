"""Shell scripts for backup, restore and migration of Code Ocean VPC."""
