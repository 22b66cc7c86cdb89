"""The description and the keywords in XMP packets; everything else in them stays.

Follows Adobe, XMP Specification, part 1 (ISO 16684-1), and for the alt text the IPTC Photo Metadata
Standard 2021.1.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any
from xml.dom import DOMException
from xml.dom.minidom import Node
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape, quoteattr

from defusedxml import DefusedXmlException, minidom

from captioning.metadata.errors import MetadataError
from captioning.metadata.keywords import missing

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
IPTC_CORE = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
XMLNS = "http://www.w3.org/2000/xmlns/"
DESCRIPTIONS = ((DC, "description"), (IPTC_CORE, "AltTextAccessibility"))
KEYWORDS = ((DC, "subject"),)
CONTAINERS = ("Bag", "Seq", "Alt")

# Both properties are lists of language alternatives; we write a single one.
TEMPLATE = """\
<rdf:Description xmlns:rdf="{rdf}" xmlns:dc="{dc}" xmlns:Iptc4xmpCore="{iptc_core}" \
rdf:about={about}>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></dc:description>
<Iptc4xmpCore:AltTextAccessibility><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt>\
</Iptc4xmpCore:AltTextAccessibility>
</rdf:Description>"""
# The keywords have a block of their own: a later description then replaces no more than the first.
KEYWORDS_TEMPLATE = """\
<rdf:Description xmlns:rdf="{rdf}" xmlns:dc="{dc}" rdf:about={about}>
<dc:subject><rdf:Bag>{items}</rdf:Bag></dc:subject>
</rdf:Description>"""
EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'.encode()
BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
END = '\n<?xpacket end="w"?>'

PARSING_ERRORS = (
    DefusedXmlException,
    DOMException,
    ExpatError,
    LookupError,  # an unknown encoding
    RecursionError,
    ValueError,
)
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

DomNode = Any  # minidom's own types allow None even where a parsed document always has a node


def described(packet: bytes | None, description: str, keywords: Sequence[str] = ()) -> bytes:
    """Return the packet with the description, which replaces all that it had, and the keywords.

    Characters that XML cannot hold are left out.

    Args:
        packet: An XMP packet; None for a new one.
        description: Plain text.
        keywords: Keywords to add to those of the packet.

    Raises:
        MetadataError: The packet is damaged.
    """
    root = _parsed(packet or EMPTY)
    rdf = _rdf(root)
    about = next((block.getAttributeNS(RDF, "about") for block in _blocks(rdf)), "")
    _remove(rdf, DESCRIPTIONS)
    _add_keywords(rdf, about, keywords)
    _append(rdf, TEMPLATE, about, text=_escaped(description))
    try:
        return f"{BEGIN}{_serialised(root)}{END}".encode()
    except RecursionError as error:
        raise _damaged() from error


def description_in(packet: bytes | None) -> str:
    """Return the packet's description, or else its alt text; empty if it has neither.

    Raises:
        MetadataError: The packet is damaged.
    """
    if packet is None:
        return ""
    rdf = _rdf(_parsed(packet))
    texts = (
        text for name in DESCRIPTIONS for node in _nodes(rdf, (name,)) for text in _texts(node)
    )
    return next(texts, "")


def keywords_in(packet: bytes | None) -> list[str]:
    """Return the packet's keywords.

    Raises:
        MetadataError: The packet is damaged.
    """
    return [] if packet is None else _keywords(_rdf(_parsed(packet)))


def _add_keywords(rdf: DomNode, about: str, keywords: Sequence[str]) -> None:
    """Add keywords that the packet lacks, to its own list if it has one."""
    present = _keywords(rdf)
    added = missing(present, (NOT_IN_XML.sub("", keyword) for keyword in keywords))
    if not added:
        return
    lists = (list_ for node in _nodes(rdf, KEYWORDS) for list_ in _lists(node))
    if own := next(lists, None):
        for keyword in added:
            item = own.ownerDocument.createElementNS(
                RDF, f"{own.prefix}:li" if own.prefix else "li"
            )
            item.appendChild(own.ownerDocument.createTextNode(keyword))
            own.appendChild(item)
        return
    # Some software writes a single keyword without a list. It moves into the new one.
    _remove(rdf, KEYWORDS)
    items = "".join(f"<rdf:li>{_escaped(keyword)}</rdf:li>" for keyword in [*present, *added])
    _append(rdf, KEYWORDS_TEMPLATE, about, items=items)


def _keywords(rdf: DomNode) -> list[str]:
    return [text for node in _nodes(rdf, KEYWORDS) for text in _texts(node)]


def _append(rdf: DomNode, template: str, about: str, **texts: str) -> None:
    names = {"rdf": RDF, "dc": DC, "iptc_core": IPTC_CORE, "about": quoteattr(about)}
    block = template.format(**names, **texts)
    rdf.appendChild(minidom.parseString(block).documentElement)


def _parsed(packet: bytes) -> DomNode:
    """Parse the packet. Document types are refused, since their entities can expand without end."""
    try:
        return minidom.parseString(packet.strip(b"\0 \t\r\n"), forbid_dtd=True).documentElement
    except PARSING_ERRORS as error:
        raise _damaged() from error


def _rdf(root: DomNode) -> DomNode:
    for element in [root, *_elements(root)]:
        if (element.namespaceURI, element.localName) == (RDF, "RDF"):
            return element
    raise _damaged()


def _blocks(rdf: DomNode) -> list[DomNode]:
    """Return the `rdf:Description` elements, which share the properties of the picture."""
    return [block for block in _elements(rdf) if block.localName == "Description"]


def _nodes(rdf: DomNode, names: Collection[tuple[str, str]]) -> Iterator[DomNode]:
    """Yield the elements of these properties, and the attributes that some software writes."""
    for block in _blocks(rdf):
        for node in [*_elements(block), *block.attributes.values()]:
            if (node.namespaceURI, node.localName) in names:
                yield node


def _remove(rdf: DomNode, names: Collection[tuple[str, str]]) -> None:
    for node in list(_nodes(rdf, names)):
        if node.nodeType == Node.ATTRIBUTE_NODE:
            node.ownerElement.removeAttributeNode(node)
        else:
            node.parentNode.removeChild(node)
    for block in _blocks(rdf):
        is_empty = all(
            attribute.namespaceURI == XMLNS or attribute.localName == "about"
            for attribute in block.attributes.values()
        )
        if is_empty and not _elements(block):
            rdf.removeChild(block)


def _elements(parent: DomNode) -> list[DomNode]:
    return [node for node in parent.childNodes if node.nodeType == Node.ELEMENT_NODE]


def _lists(node: DomNode) -> list[DomNode]:
    """Return the RDF containers in the element of a property; an attribute has none."""
    if node.nodeType == Node.ATTRIBUTE_NODE:
        return []
    return [
        element
        for element in _elements(node)
        if element.namespaceURI == RDF and element.localName in CONTAINERS
    ]


def _texts(node: DomNode) -> list[str]:
    """Return the text of an attribute, or the texts of an element's items, without blank ones."""
    if node.nodeType == Node.ATTRIBUTE_NODE:
        return list(filter(None, [str(node.value).strip()]))
    items = node.getElementsByTagNameNS(RDF, "li") or [node]
    texts = ("".join(child.data for child in item.childNodes if _is_text(child)) for item in items)
    return list(filter(None, map(str.strip, texts)))


def _escaped(text: str) -> str:
    return escape(NOT_IN_XML.sub("", text))


def _is_text(node: DomNode) -> bool:
    return node.nodeType in (Node.TEXT_NODE, Node.CDATA_SECTION_NODE)


def _serialised(node: DomNode) -> str:
    """Serialise a node. minidom's own serialiser would lose line breaks in attributes."""
    if node.nodeType == Node.TEXT_NODE:
        return escape(node.data, {"\r": "&#13;"})
    if node.nodeType != Node.ELEMENT_NODE:
        return str(node.toxml())
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in node.attributes.items())
    content = "".join(map(_serialised, node.childNodes))
    return f"<{node.tagName}{attributes}>{content}</{node.tagName}>"


def _damaged() -> MetadataError:
    return MetadataError("The XMP metadata of this file is damaged, so nothing can be added to it.")
