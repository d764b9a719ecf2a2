"""Models that write text: asked through one small protocol, wherever they run."""
