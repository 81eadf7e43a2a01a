"""Tags: keyed hashes that count people, addresses, reasons and cases without identifying them. Pure."""

import hmac
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import lru_cache
from itertools import chain

from glomar_schemas.errors import Malformed, Misconfigured
from glomar_schemas.messages import Subject, Tags
from msgspec.structs import astuple

from glomar_verifier.matching.addresses import AddressForm, NormalAddress
from glomar_verifier.matching.blocking import keyed_hash
from glomar_verifier.matching.corrections import readings, spellings
from glomar_verifier.matching.match import normal_address_of
from glomar_verifier.matching.names import NormalName, normal_name
from glomar_verifier.matching.rules import Rules
from glomar_verifier.matching.spelling import distinguishing
from glomar_verifier.matching.text import fold
from glomar_verifier.quotas.hidden_names import (
    BirthDateKeys,
    DatedName,
    HiddenName,
    Name,
    NameKeys,
    RecordedName,
    requested_variants,
)

KEY_BYTES = 32
_CACHED = 1_024


class Tagger:
    """HMAC-SHA256 (RFC 2104) under one key of the record holder; each tag is 64 lower-case hex digits."""

    def __init__(self, key: bytes, *, where: str = "tag key") -> None:
        """where: the key's file. Raises Misconfigured unless the key has 32 bytes."""
        if len(key) != KEY_BYTES:
            raise Misconfigured(f"the key for tags must have {KEY_BYTES} bytes", where=where)
        self._key = key
        # Cached: the requested name is mostly the one on record, and reasons and cases recur.
        self._digest = lru_cache(_CACHED)(self._make_digest)

    def person(self, agency: str, name: NormalName) -> str:
        """One person has a different tag for each agency, so that agencies can't compare tags."""
        return self._tag("person", agency, name.first, *name.surname)

    def people(self, agency: str, names: Sequence[NormalName], rules: Rules) -> Iterator[str]:
        """The tags of a person with these names, under every spelling of them."""
        return (self.person(agency, one) for name in names for one in spellings(name, rules))

    def reason(self, text: str) -> str:
        """Raises Malformed for a text that has no normal form."""
        return self._tag("reason", fold(text, "reason"))

    def case(self, case_id: str) -> str:
        return self._tag("case", case_id)

    def address(self, address: NormalAddress) -> str:
        """Blank unless it names a house or a box. Without the city, which no gate compares."""
        if not (address.po_box or (address.number and address.street.base)):
            return ""
        street = astuple(address.street)
        return self._tag(
            "address",
            address.zip5,
            address.number,
            *street,
            address.po_box,
            address.unit_key,
            address.urbanization,
        )

    def address_of(self, particulars: Subject, rules: Rules, form: AddressForm) -> str:
        """Blank also for an address without a normal form."""
        try:
            return self.address(normal_address_of(particulars, rules, form))
        except Malformed:
            return ""

    def requested(
        self, agency: str, name: NormalName, born: date | None, rules: Rules
    ) -> NameKeys[DatedName]:
        """The name in a request, for the counts of this agency alone."""
        births = (born,) if born else ()
        dated = tuple(
            self._dated(agency, each, lambda key: requested_variants(name, key, rules)) for each in births
        )
        return NameKeys(self._names(agency, (name,), rules), dated)

    def recorded(
        self, agency: str, names: Sequence[NormalName], births: Sequence[date], rules: Rules
    ) -> NameKeys[RecordedName]:
        """A person on record, under every name and birth date that the register has."""

        def recorded_names(key: bytes) -> tuple[RecordedName, ...]:
            return tuple(RecordedName(name, key, rules) for name in names)

        dated = tuple(self._dated(agency, each, recorded_names) for each in births)
        return NameKeys(self._names(agency, names, rules), dated)

    def _dated(
        self, agency: str, born: date, names: Callable[[bytes], tuple[Name, ...]]
    ) -> BirthDateKeys[Name]:
        key = self._digest("born", agency, born.isoformat())
        return BirthDateKeys(keyed_hash("birth date", key), names(key))

    def _names(self, agency: str, names: Sequence[NormalName], rules: Rules) -> tuple[HiddenName, ...]:
        """Empty if one of the names has too many readings."""
        per_name = [readings(name, rules) for name in names]
        distinct = dict.fromkeys(chain.from_iterable(per_name) if all(per_name) else ())
        return tuple(self.name(agency, reading, rules) for reading in distinct)

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
        """A name or reason without a normal form gets the tag of an empty one."""
        try:
            name = normal_name(particulars.first_name, "", particulars.last_name, "", rules)
        except Malformed:
            name = normal_name("", "", "", "", rules)
        return self.tags_under(agency, name, particulars)

    def tags_under(self, agency: str, name: NormalName, particulars: Subject) -> Tags:
        """As `tags`, for a name in normal form."""
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
        """Each part is preceded by its length, so that different lists of parts never give the same bytes."""
        encoded = [part.encode() for part in (f"glomar/v1 {purpose}", *parts)]
        message = b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
        return hmac.digest(self._key, message, "sha256")
