"""What every exported model's folder has, copied as it is: the script, and what stands in for Ray in it."""
