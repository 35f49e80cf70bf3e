"""The face for AI assistants: every command as a tool and a prompt, the increments as resources.

The only package that imports `mcp`.
"""

from specweave.mcp_server.server import create_server
from specweave.mcp_server.serving import serve

__all__ = ["create_server", "serve"]
