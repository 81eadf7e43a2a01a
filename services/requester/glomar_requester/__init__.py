"""The requesting agency's side of Glomar. This module is the public interface.

async with Client.connect(profile) as client:
    result = await client.ask(Ask(first_name=..., last_name=..., officer_id=...), timeout_s=30)
"""

from glomar_schemas.request_file import Ask

from glomar_requester.ask import Question
from glomar_requester.bus.publish import Conflict
from glomar_requester.client import Client
from glomar_requester.identity import Profile
from glomar_requester.verification.release import Expired, Recalled, Result

__all__ = ["Ask", "Client", "Conflict", "Expired", "Profile", "Question", "Recalled", "Result"]
