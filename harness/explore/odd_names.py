"""Names that are easily taken for one another: ids, regions and images, each family with its own trap.

Rules of this file: data only. Within a family every name is another thing by the contract, however alike.
"""

from collections.abc import Sequence

# Ids compare as they are: no letter case, no normal form, no prefix, no decoding makes two of them equal.
ID_FAMILIES: Sequence[Sequence[str]] = (
    ("Build-42", "build-42", "BUILD-42"),
    ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "3F2504E0-4F89-41D3-9A0C-0305E82C3301"),
    ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "3f2504e04f8941d39a0c0305e82c3301"),
    ("x" * 64 + "a", "x" * 64 + "b", "x" * 64),
    ("y" * 127 + "a", "y" * 127 + "b", "y" * 128),
    ("z" * 239 + "a", "z" * 239 + "b"),
    ("m" * 100 + "1" + "n" * 100, "m" * 100 + "2" + "n" * 100),
    ("plumless", "buckeroo"),  # they have the same CRC-32
    ("app", "app\N{VARIATION SELECTOR-16}"),
    ("team/app", "team_app", "team-app", "team.app"),
    ("a%2Fb", "a/b", "a%2fb", "a%252Fb"),
    ("a+b", "a b", "a%20b"),
    ("a b", "a b ", " a b"),
    ("caf\N{LATIN SMALL LETTER E WITH ACUTE}", "cafe\N{COMBINING ACUTE ACCENT}", "cafe"),
    ("\N{KELVIN SIGN}elvin", "Kelvin", "kelvin"),
    ("\N{LATIN SMALL LIGATURE FI}x", "fix"),
    ("stra\N{LATIN SMALL LETTER SHARP S}e", "strasse"),
    ("\N{CJK UNIFIED IDEOGRAPH-65E5}\N{CJK UNIFIED IDEOGRAPH-672C}", "\N{CJK UNIFIED IDEOGRAPH-65E5}"),
    ("\N{CJK UNIFIED IDEOGRAPH-65E5}", "\N{CJK UNIFIED IDEOGRAPH-672C}", "\N{ROCKET}"),
    ("\N{ROCKET}", "\N{ROCKET}\N{ROCKET}", "?"),
    ("1", "01", "1.0", "+1"),
    ("null", "None", "undefined", "NaN"),
    ("true", "True", "1"),
    ("a'b", 'a"b', "a\\b", "a;b"),
    ("../a", "a", "./a"),
    ("op:eastus", "op", "op:"),
    ("%", "_", "a%", "ab"),
    ("%s", "%d", "$id"),
)  # fmt: skip

# Region names compare trimmed and case-folded. No two of a family differ in blanks alone: Azure displays
# ``eastus`` as East US, so an aggregator may refuse a configuration that has both.
REGION_FAMILIES: Sequence[Sequence[str]] = (
    ("eastus", "eastus2", "eastus2euap", "east", "westus", "westus2", "westus3", "west"),
    ("East US", "East US 2", "east-us", "east_us", "east.us", "EAST"),
    ("West Europe", "WEST-EUROPE", "North Europe", "Europe"),
    ("a", "aa", "aaa", "A1", "a-1", "a.1", "a_1"),
    tuple(f"region{number}" for number in range(1, 13)),
)

_DIGEST = f"sha256:{'0' * 63}"
# With correlation by image each part of the key matters, and the parts do not flow into each other. All have
# a digest: where there is none, the registry makes one of the rest, and no two are alike.
IMAGE_FAMILIES: Sequence[Sequence[str]] = (
    tuple(f"{it}@{_DIGEST}1" for it in ("team/app:v1", "team/app:V1", "team/app:v1.0", "team/app:latest")),
    (f"team/app:v1@{_DIGEST}1", f"team/app:v1@{_DIGEST}2", f"team/app:v2@{_DIGEST}1"),
    (f"team/app@{_DIGEST}1", f"team/app:v1@{_DIGEST}1", f"team/web@{_DIGEST}1"),
    tuple(f"{it}:v1@{_DIGEST}1" for it in ("team/app", "other/app", "team/app/v1", "team-app", "app")),
    tuple(f"{it}@{_DIGEST}1" for it in ("team/app:1-0", "team/app-1:0", "team/app:1_0", "team/app:1.0")),
)

# Between an id and a region, where both are one name in a store; of those that a region's name may have.
SEPARATORS: Sequence[str] = ("-", "_", ".", "")
# The longer one ends as a region begins that has the separator in its name.
JOINED_IDS: Sequence[Sequence[str]] = (
    ("push-east", "push"),
    ("push-east", "push", "push-"),
    ("7-east", "7", "east"),
)
