"""The composition root: the HTTP application, and the process around it."""

from cloud.app.http import create_app, openapi_document
from cloud.app.process import serve

__all__ = ["create_app", "openapi_document", "serve"]
