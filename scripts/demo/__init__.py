"""The main job, shown with the real programs: a source package goes in, built and checked packages come out."""
