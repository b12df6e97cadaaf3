"""The type of messages whose fields no type checker knows."""

from typing import Any

type RawMessage = Any
"""A protobuf message or a proto-plus wrapper of Google's clients: its fields are made from descriptors at run time.

The raw message of a proto-plus wrapper (`Wrapper.pb(wrapper)`) is read where there are many: wrappers take ten times as
long. No such message leaves gcp/.
"""
