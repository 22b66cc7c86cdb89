from xml.etree import ElementTree

import pytest

from captioning.metadata import MetadataError, xmp

PACKET = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Camera 1.0">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="uuid:7" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:note="urn:note" note:Text="two&#10;lines &lt;here&gt;" note:Rating="5">
   <dc:creator><rdf:Seq><rdf:li>Ada &amp; Co.&#13;</rdf:li></rdf:Seq></dc:creator>
   <dc:description><rdf:Alt>
     <rdf:li xml:lang="x-default">  Old words.  </rdf:li><rdf:li xml:lang="de">Alte.</rdf:li>
   </rdf:Alt></dc:description>
  </rdf:Description>
  <rdf:Description rdf:about="uuid:7" xmlns:dc="http://purl.org/dc/elements/1.1/"
    dc:description="An attribute."/>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>"""
PADDED = PACKET.replace(b'<?xpacket end="w"?>', b" " * 2000 + b'<?xpacket end="w"?>') + b"\0"


def test_an_existing_description_is_read():
    assert xmp.description_in(PACKET) == "Old words."
    assert xmp.description_in(xmp.described(PADDED, "New words.")) == "New words."


def test_without_a_packet_there_is_no_description():
    assert xmp.description_in(None) == ""
    assert xmp.description_in(xmp.EMPTY) == ""


def test_everything_else_stays():
    changed = xmp.described(PACKET, "New words.")
    root = ElementTree.fromstring(changed)
    first, ours = root.iter(f"{{{xmp.RDF}}}Description")
    assert first.attrib["{urn:note}Text"] == "two\nlines <here>"
    assert first.attrib["{urn:note}Rating"] == "5"
    assert root.attrib["{adobe:ns:meta/}xmptk"] == "Camera 1.0"
    assert [li.text for li in first.iter(f"{{{xmp.RDF}}}li")] == ["Ada & Co.\r"]
    assert ours.attrib[f"{{{xmp.RDF}}}about"] == "uuid:7"
    assert b"xmlns:note=" in changed
    assert b"note:Rating=" in changed
    assert b"Old words" not in changed
    assert b"Alte" not in changed
    assert b"An attribute" not in changed


def test_keywords_go_into_the_list_that_the_packet_has():
    changed = xmp.described(
        subject(BAG.replace(b"rdf:", b"r:")).replace(
            b"<dc:subject>", b'<dc:subject xmlns:r="' + xmp.RDF.encode() + b'">'
        ),
        "New.",
        ["<dog>"],
    )
    assert b"<r:li>my  trip</r:li><r:li>&lt;dog&gt;</r:li></r:Bag>" in changed
    assert changed.count(b"dc:subject") == 2


def test_without_keywords_those_of_the_packet_are_not_touched():
    assert BAG in xmp.described(subject(BAG), "New words.")
    assert b"dc:subject" not in xmp.described(PACKET, "New words.")


def test_characters_that_xml_cannot_hold_are_left_out():
    assert xmp.description_in(xmp.described(None, "a\x00b\ud800c\uffff")) == "abc"


def subject(inner, attribute=b""):
    """A packet of other software with keywords."""
    block = b"<dc:subject>" + inner + b"</dc:subject>" if inner else b""
    packet = PACKET.replace(b"<dc:creator>", block + b"<dc:creator>")
    return packet.replace(b"note:Rating", attribute + b" note:Rating")


BAG = b"<rdf:Bag><rdf:li>Rome</rdf:li><rdf:li>my  trip</rdf:li></rdf:Bag>"


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (None, []),
        (PACKET, []),
        (subject(BAG), ["Rome", "my  trip"]),
        (subject(BAG.replace(b"Bag", b"Seq")), ["Rome", "my  trip"]),
        (subject(b" Rome "), ["Rome"]),
        (subject(b"", b'dc:subject="Rome"'), ["Rome"]),
        (subject(b"<rdf:Bag/>"), []),
    ],
    ids=range(7),
)
def test_keywords_join_those_of_other_software(packet, expected):
    assert xmp.keywords_in(packet) == expected
    changed = xmp.described(packet, "New words.", ["dog", "my  trip", "dog", "s\0n\ufffeow"])
    added = ["dog", "my  trip", "snow"]
    assert xmp.keywords_in(changed) == expected + [each for each in added if each not in expected]
    assert xmp.description_in(changed) == "New words."
    assert xmp.described(changed, "New words.", ["SNOW", "dog"]) == changed


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>' + PACKET[
    PACKET.index(b"<x:") :
].replace(b"Old words.", b"&b;")
FILE = BOMB.replace(b'<!ENTITY a "aaaaaaaaaa">', b'<!ENTITY a SYSTEM "file:///etc/passwd">')


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        b"<",
        b"no XML",
        b"<a/>",
        b'<?xml version="1.0" encoding="none"?><a/>',
        PACKET[:-200],
        PACKET.replace(b"</dc:creator>", b"</dc:other>"),
        b"<a>" * 100_000,
        b"<a>" * 5_000 + b"</a>" * 5_000,
        PACKET.replace(b"Old words.", b"<a>" * 5_000 + b"</a>" * 5_000).replace(
            b"dc:desc", b"dc:d"
        ),
        BOMB,
        FILE,
    ],
    ids=range(12),
)
def test_a_damaged_or_hostile_packet_is_refused(packet):
    with pytest.raises(MetadataError, match=r"^The XMP metadata of this file is damaged.*\.$"):
        xmp.described(packet or b"\0", "New words.")
