"""The codec of contacts.toml, and its requests by the names used there."""

from firmware_bridge.codecs import contacts
from tests.builders.vector_entry import Entry

ENTRY = Entry(contacts.ContactsCodec, {"levels": lambda: contacts.ASK_LEVELS})
