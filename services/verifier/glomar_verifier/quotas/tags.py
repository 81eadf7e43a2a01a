"""Tags: keyed hashes by which people, addresses, reasons and cases are counted without being known. Called
by the desk for each request, and by `accounting` for a person who asks; pure."""

import hmac
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from itertools import chain

from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.messages import Subject, Tags
from msgspec.structs import astuple

from glomar_verifier.decisions.disclosure import Dated, DatedName, HiddenName, Likeness, Name
from glomar_verifier.matching.blocking import keyed_hash
from glomar_verifier.matching.corrections import readings, spellings
from glomar_verifier.matching.normalise import AddressForm, NormalAddress, NormalName, fold, normal_name
from glomar_verifier.matching.query import normal_address_of
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.spelling import distinguishing
from glomar_verifier.quotas.dated_names import KnownName, asked_ways

KEY_BYTES = 32
_KEPT = 1_024


class Tagger:
    """HMAC-SHA256 (RFC 2104) under one key of the record holder; each tag is 64 lower-case hex digits."""

    def __init__(self, key: bytes, *, where: str = "tag key") -> None:
        """where: the key's file. Raises Misconfigured unless the key has 32 bytes."""
        if len(key) != KEY_BYTES:
            raise Misconfigured(f"the key for tags must have {KEY_BYTES} bytes", where=where)
        self._key = key
        # The name that was asked is mostly the one on record, and reasons and cases come again.
        self._digest = lru_cache(_KEPT)(self._make_digest)

    def person(self, agency: str, name: NormalName) -> str:
        """The same person gets another tag for every agency, so that tags can't be compared across them."""
        return self._tag("person", agency, name.first, *name.surname)

    def people(self, agency: str, names: Sequence[NormalName], rules: Rules) -> Iterator[str]:
        """The tags under which somebody of these names may be known, spelt otherwise."""
        return (self.person(agency, one) for name in names for one in spellings(name, rules))

    def reason(self, text: str) -> str:
        """Raises Malformed for a text that has no normal form."""
        return self._tag("reason", fold(text, "reason"))

    def case(self, case_id: str) -> str:
        return self._tag("case", case_id)

    def address(self, address: NormalAddress) -> str:
        """Blank unless it names a house or a box. The city is no part of it: no gate asks for it."""
        if not (address.po_box or (address.number and address.street.base)):
            return ""
        street = astuple(address.street)
        return self._tag("address", address.zip5, address.number, *street, address.po_box, address.unit)

    def address_of(self, particulars: Subject, rules: Rules, form: AddressForm) -> str:
        """Blank also for an address without a normal form."""
        try:
            return self.address(normal_address_of(particulars, rules, form))
        except Malformed:
            return ""

    def asked(self, agency: str, name: NormalName, born: date | None, rules: Rules) -> Likeness[DatedName]:
        """Of a request, for the counts alone: another agency's are other numbers."""
        births = (born,) if born else ()
        dated = tuple(self._dated(agency, each, lambda key: asked_ways(name, key, rules)) for each in births)
        return Likeness(self._names(agency, (name,), rules), dated)

    def known(
        self, agency: str, names: Sequence[NormalName], births: Sequence[date], rules: Rules
    ) -> Likeness[KnownName]:
        """Of a person on record, under every name and birth date that the register has."""

        def known_names(key: bytes) -> tuple[KnownName, ...]:
            return tuple(KnownName(name, key, rules) for name in names)

        dated = tuple(self._dated(agency, each, known_names) for each in births)
        return Likeness(self._names(agency, names, rules), dated)

    def _dated(self, agency: str, born: date, names: Callable[[bytes], tuple[Name, ...]]) -> Dated[Name]:
        key = self._digest("born", agency, born.isoformat())
        return Dated(keyed_hash("birth date", key), names(key))

    def _names(self, agency: str, names: Sequence[NormalName], rules: Rules) -> tuple[HiddenName, ...]:
        every = [readings(name, rules) for name in names]
        read = dict.fromkeys(chain.from_iterable(every) if all(every) else ())
        return tuple(self.name(agency, one, rules) for one in read)

    def name(self, agency: str, name: NormalName, rules: Rules) -> HiddenName:
        """One spelling."""
        first, surname = name.first, name.surname
        tokens = distinguishing(surname, rules).elements()
        return HiddenName(
            whole=self._number("name", agency, first, "".join(surname)),
            tokens=tuple(sorted(self._number("name", agency, first, one) for one in tokens)),
            suffix=self._number("suffix", agency, name.suffix) if name.suffix else 0,
        )

    def tags(self, agency: str, particulars: Subject, rules: Rules) -> Tags:
        """All three. A name or reason without a normal form gets the tag of an empty one."""
        try:
            name = normal_name(particulars.first_name, "", particulars.last_name, "", rules)
        except Malformed:
            name = normal_name("", "", "", "", rules)
        return self.tags_under(agency, name, particulars)

    def tags_under(self, agency: str, name: NormalName, particulars: Subject) -> Tags:
        """The same of a name in normal form."""
        try:
            reason = self.reason(particulars.reason)
        except Malformed:
            reason = self.reason("")
        return Tags(person=self.person(agency, name), reason=reason, case=self.case(particulars.case_id))

    def _tag(self, purpose: str, *parts: str) -> str:
        return self._digest(purpose, *parts).hex()

    def _number(self, purpose: str, *parts: str) -> int:
        """64 bits, signed as SQLite's integers are."""
        return int.from_bytes(self._digest(purpose, *parts)[:8], "big", signed=True)

    def _make_digest(self, purpose: str, *parts: str) -> bytes:
        """Each part is preceded by its length: no two lists of parts give the same bytes."""
        encoded = [part.encode() for part in (f"glomar/v1 {purpose}", *parts)]
        message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
        return hmac.digest(self._key, message, "sha256")
