"""The daemon that runs tasks on a build machine."""
