"""XMP packets: what they hold stays, and the description in them is set.

Adobe, XMP Specification Part 1 (ISO 16684-1); IPTC Photo Metadata Standard 2021.1 for the alt text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from xml.dom import DOMException
from xml.dom.minidom import Node
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape, quoteattr

from defusedxml import DefusedXmlException, minidom

from captioning.metadata.errors import MetadataError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
IPTC_CORE = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
XMLNS = "http://www.w3.org/2000/xmlns/"
PROPERTIES = ((DC, "description"), (IPTC_CORE, "AltTextAccessibility"))

# Both properties are language alternatives, of which ours is the only one.
TEMPLATE = """\
<rdf:Description xmlns:rdf="{rdf}" xmlns:dc="{dc}" xmlns:Iptc4xmpCore="{iptc_core}" \
rdf:about={about}>
<dc:description><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt></dc:description>
<Iptc4xmpCore:AltTextAccessibility><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li></rdf:Alt>\
</Iptc4xmpCore:AltTextAccessibility>
</rdf:Description>"""
EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}"/></x:xmpmeta>'.encode()
BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
END = '\n<?xpacket end="w"?>'

PARSING_ERRORS = (
    DefusedXmlException,
    DOMException,
    ExpatError,
    LookupError,  # an encoding that nobody knows
    RecursionError,
    ValueError,
)
NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

DomNode = Any  # the types of minidom's nodes allow for None wherever a parsed document has a node


def described(packet: bytes | None, description: str) -> bytes:
    """Return the packet, or a new one, with the description as its only one.

    Raises MetadataError where the packet is damaged.
    """
    root = _parsed(packet or EMPTY)
    rdf = _rdf(root)
    about = next((block.getAttributeNS(RDF, "about") for block in _blocks(rdf)), "")
    _remove_description(rdf)
    block = TEMPLATE.format(
        rdf=RDF,
        dc=DC,
        iptc_core=IPTC_CORE,
        about=quoteattr(about),
        text=escape(NOT_IN_XML.sub("", description)),
    )
    rdf.appendChild(minidom.parseString(block).documentElement)
    try:
        return f"{BEGIN}{_written(root)}{END}".encode()
    except RecursionError as error:
        raise _damaged() from error


def description_in(packet: bytes | None) -> str:
    """Return the description in a packet, else the alt text, else an empty text.

    Raises MetadataError where the packet is damaged.
    """
    if packet is None:
        return ""
    nodes = list(_description_nodes(_rdf(_parsed(packet))))
    texts = (
        _text(node)
        for name in PROPERTIES
        for node in nodes
        if (node.namespaceURI, node.localName) == name
    )
    return next(filter(None, texts), "")


def _parsed(packet: bytes) -> DomNode:
    """Parse the packet; document types are refused, as entities in them may expand without end."""
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
    """List the descriptions of the resource, over which its properties are spread."""
    return [block for block in _elements(rdf) if block.localName == "Description"]


def _description_nodes(rdf: DomNode) -> Iterator[DomNode]:
    """The elements, and in files by careless writers the attributes, that hold descriptions."""
    for block in _blocks(rdf):
        for node in [*_elements(block), *block.attributes.values()]:
            if (node.namespaceURI, node.localName) in PROPERTIES:
                yield node


def _remove_description(rdf: DomNode) -> None:
    for node in list(_description_nodes(rdf)):
        if node.nodeType == Node.ATTRIBUTE_NODE:
            node.ownerElement.removeAttributeNode(node)
        else:
            node.parentNode.removeChild(node)
    for block in _blocks(rdf):
        says_nothing = all(
            attribute.namespaceURI == XMLNS or attribute.localName == "about"
            for attribute in block.attributes.values()
        )
        if says_nothing and not _elements(block):
            rdf.removeChild(block)


def _elements(parent: DomNode) -> list[DomNode]:
    return [node for node in parent.childNodes if node.nodeType == Node.ELEMENT_NODE]


def _text(node: DomNode) -> str:
    """Text of the attribute, or of the element's first alternative that says something."""
    if node.nodeType == Node.ATTRIBUTE_NODE:
        return str(node.value).strip()
    items = node.getElementsByTagNameNS(RDF, "li") or [node]
    texts = ("".join(child.data for child in item.childNodes if _is_text(child)) for item in items)
    return next(filter(None, map(str.strip, texts)), "")


def _is_text(node: DomNode) -> bool:
    return node.nodeType in (Node.TEXT_NODE, Node.CDATA_SECTION_NODE)


def _written(node: DomNode) -> str:
    """Write an element; minidom's own writer would lose line breaks in attributes."""
    if node.nodeType == Node.TEXT_NODE:
        return escape(node.data, {"\r": "&#13;"})
    if node.nodeType != Node.ELEMENT_NODE:
        return str(node.toxml())
    attributes = "".join(f" {name}={quoteattr(value)}" for name, value in node.attributes.items())
    content = "".join(map(_written, node.childNodes))
    return f"<{node.tagName}{attributes}>{content}</{node.tagName}>"


def _damaged() -> MetadataError:
    return MetadataError("The XMP metadata of this file is damaged, so nothing can be added to it.")
