"""Machines of one's own: Ray started and stopped on them over ssh, and ways to reach what runs there."""
