"""`python -m internvideo` is the command line."""

import sys

from internvideo.app.cli import main

sys.exit(main())
