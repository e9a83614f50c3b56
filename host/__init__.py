"""Finds, installs, starts and drives a ComfyUI: its folder, environment, server and front end."""
