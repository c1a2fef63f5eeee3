"""The pages that people open in a browser: what this server is and how to connect, and the API reference.

Every address in them is relative, so that they also work below the path of another site.
"""

from fastapi.openapi.docs import get_swagger_ui_html

_ASSETS = "docs-assets"
_START = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Chatterbox</title>
</head>
<body>
<main>
<h1>Chatterbox</h1>
<p>This is a Chatterbox server: a self-hosted team chat.</p>
<h2>Connect</h2>
<p>With the terminal client, where <code>ADDRESS</code> is the address of this page:</p>
<pre>chatterbox register --server ADDRESS
chatterbox chat --server ADDRESS</pre>
<p>To install the client, run <code>pipx install .</code> in a copy of Chatterbox's source code.</p>
<h2>Develop</h2>
<ul>
<li><a href="docs">API reference</a>, and the same as <a href="openapi.json">OpenAPI</a></li>
<li>The WebSocket <code>ws</code>, described in <a href="asyncapi.json">AsyncAPI</a></li>{health}
</ul>
</main>
</body>
</html>
"""
_HEALTH = '\n<li>Health: <a href="health/live">live</a>, <a href="health/ready">ready</a></li>'


def start_page(*, has_health: bool) -> str:
    """The page at `/`; with links to the health checks if they are public."""
    return _START.format(health=_HEALTH if has_health else "")


def reference_page() -> str:
    """The page at `/docs`."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title="Chatterbox",
        swagger_js_url=f"{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{_ASSETS}/favicon.png",
    )
    return bytes(page.body).decode()
