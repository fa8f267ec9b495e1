"""Seeded, invented people: everything they carry is made up and recognisable as such.

Their ID numbers start with the administrative division 000000, which GB/T 2260 gives to no place, but carry the
right check character (GB 11643, ISO 7064 MOD 11-2), so that readers and forms take them.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from simulators.errors import UnknownName

_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦尤许何吕施张孔曹严华金魏陶姜"
_GIVEN = "安宁晓明文静思远子涵雨桐嘉禾若溪一帆星辰书瑶景行亦然知秋乐山清和"
_PINYIN = ("AN", "NING", "MING", "WEN", "JING", "YUAN", "HAN", "YU", "TONG", "JIA", "RUO", "XI", "FAN", "SHU")
IMPOSSIBLE_REGION = "000000"
FINGERS_KNOWN = 199
"""The fingers of p001 .. p199 are enrolled in the fingerprint modules, each at the page of its owner's number."""


def check_character(first_17: str) -> str:
    """The 18th character of an ID number (GB 11643): weighted sum mod 11 into 1 0 X 9 8 7 6 5 4 3 2."""
    return "10X98765432"[sum(w * int(digit) for w, digit in zip(_WEIGHTS, first_17, strict=True)) % 11]


@dataclass(slots=True)
class Permit:
    """A Hong Kong/Macao travel permit: a chip card with a rewritable face. A blank card has no holder."""

    number: str = ""
    holder_name: str = ""
    birth_date: str = ""
    face: list[str] = field(default_factory=list)
    owner: str = ""

    def snapshot(self) -> dict[str, object]:
        """What one sees with the card in the hand."""
        return {"owner": self.owner, "face": list(self.face)}


@dataclass(frozen=True, slots=True)
class Person:
    """An invented citizen; dates are YYYYMMDD, codes GB/T 2261.1 (sex) and GB/T 3304 (nation)."""

    key: str
    name: str
    english_name: str
    sex: str
    nation: str
    birth_date: str
    address: str
    id_number: str
    issuer: str
    valid_from: str
    valid_to: str
    permit_number: str
    finger_page: int


class People:
    """Persons p001, p002, ...; the same seed gives the same people. Permits remember what was printed on them."""

    def __init__(self, seed: int, count: int = 400) -> None:
        self.seed = seed
        self._persons = {person.key: person for person in (_person(seed, n) for n in range(1, count + 1))}
        self._permits: dict[str, Permit] = {}
        self._codes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._persons)

    def __iter__(self) -> Iterator[Person]:
        return iter(self._persons.values())

    def add(self, person: Person) -> None:
        """A visitor with papers of his own, such as one from a published example."""
        self._persons[person.key] = person

    def with_known_finger(self) -> list[str]:
        """Keys of the people whom a fingerprint module recognises."""
        return [person.key for person in self if 0 < person.finger_page <= FINGERS_KNOWN]

    def person(self, key: str) -> Person:
        """The person of that key; raises UnknownName."""
        try:
            return self._persons[key]
        except KeyError:
            first, last = min(self._persons), max(self._persons)
            raise UnknownName(f"person: expected one of {first} .. {last}, got {key!r}") from None

    def permit(self, key: str) -> Permit:
        """The one travel permit of that person, with whatever was last printed on its face."""
        if key not in self._permits:
            person = self.person(key)
            self._permits[key] = Permit(person.permit_number, person.name, person.birth_date, [], key)
        return self._permits[key]

    def payment_code(self, key: str) -> str:
        """The one-use payment code on that person's phone: ``28`` and 16 digits (the pattern of Alipay)."""
        shown = self._codes.get(self.person(key).key, 0)
        digits = random.Random(f"code/{self.seed}/{key}/{shown}").randrange(10**16)
        return f"28{digits:016d}"

    def new_payment_code(self, key: str) -> str:
        """Have the phone show a new code, since the one before is used up or old."""
        self._codes[key] = self._codes.get(self.person(key).key, 0) + 1
        return self.payment_code(key)


def _person(seed: int, number: int) -> Person:
    rng = random.Random(f"person/{seed}/{number}")
    birth = f"{rng.randint(1945, 2007):04d}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}"
    sex = rng.choice("12")
    serial = rng.randrange(1, 500) * 2 - (1 if sex == "1" else 0)  # odd for men, even for women (GB 11643)
    first_17 = f"{IMPOSSIBLE_REGION}{birth}{serial:03d}"
    since = rng.randint(2010, 2016)
    return Person(
        key=f"p{number:03d}",
        name=rng.choice(_SURNAMES) + "".join(rng.sample(_GIVEN, rng.choice((1, 2)))),
        english_name=" ".join(rng.sample(_PINYIN, 3)),
        sex=sex,
        nation=f"{rng.choice((1, 1, 1, 1, 2, 8, 11)):02d}",
        birth_date=birth,
        address=f"样例省样市示范区示范路{number}号",
        id_number=first_17 + check_character(first_17),
        issuer="样例市公安局",
        valid_from=f"{since}0601",
        valid_to=f"{since + 20}0601",
        permit_number=f"C{rng.randrange(10**8):08d}",
        finger_page=number,
    )
