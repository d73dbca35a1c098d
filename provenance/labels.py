"""Labels that laws and platforms ask for, in the container's metadata.

* China: GB 45438-2025 and TC260-PG-20257A, one JSON object under the key ``AIGC`` in ``moov.udta.meta``. It is written
  by the encoder, as container metadata (`VideoWriter` keeps such keys).
* IPTC "Digital Source Type" (news codes) in an XMP packet, which is a ``uuid`` box at the end of the file
  (XMP specification part 3, section 1.1.4; Adobe and Meta read it there).
* Both in the XMP packet of a picture, the first as ``TC260:AIGC`` (`picture_files`).

A label is inside the hashed range, so it is written before signing.
"""

from __future__ import annotations

import json
import os
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from countermark.core.media import names_still
from countermark.core.media.opening import still_format
from provenance.bmff import MalformedBoxError, top_level_boxes, uuid_payload
from provenance.origin import Origin
from provenance.picture_files import insert_xmp, picture_xmp
from provenance.statements import source_type

AIGC_KEY = "AIGC"
_AIGC_FIELDS = (
    "Label",
    "ContentProducer",
    "ProduceID",
    "ReservedCode1",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode2",
)
# TC260-PG-20257A: characters 0x21, 0x23-0x5B and 0x5D-0x7E; no space, quotation mark or backslash.
_AIGC_FORBIDDEN = re.compile(r"[^\x21\x23-\x5b\x5d-\x7e]")
_XMP_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_XMP_CONTAINERS = frozenset({".mp4", ".m4v", ".mov"})
_MAX_XMP = 4 * 1024**2
_MAX_INDEX = 256 * 1024**2
_MAX_AIGC = 64 * 1024
# White space around a value is stripped afterwards: in the pattern it would make a hostile packet cost its square.
_PROVENANCE = re.compile(rb"dcterms:provenance\s*(?:=\s*[\"']([^\"'<]{1,2000})[\"']|>([^<]{1,2100})<)")
_AIGC_PROPERTY = re.compile(
    rb"(?<!/)TC260:AIGC\s*(?:=\s*\"([^\"<]{1,65537})\"|=\s*'([^'<]{1,65537})'|>([^<]{1,65537})<)"
)
_SOURCE_TYPE = re.compile(rb"DigitalSourceType\s*(?:=\s*[\"']([^\"'<]{1,300})[\"']|>([^<]{1,400})<)")


@dataclass(frozen=True)
class Labels:
    """What a file's container says of itself. ``aigc`` is the parsed record, ``aigc_problem`` says why it is unfit."""

    aigc: Mapping[str, str] | None = None
    aigc_records: int = 0
    aigc_problem: str | None = None
    digital_source_type: str | None = None


def container_metadata(origin: Origin, *, video_id: str, producer: str) -> dict[str, str]:
    """Container tags to write with the encoded video; empty for video made elsewhere, of which nothing is claimed."""
    if not origin.by_model:
        return {}
    record = dict.fromkeys(_AIGC_FIELDS, "")
    record |= {
        "Label": "1",  # "1": the content is AI-generated (2: possibly, 3: suspected)
        "ContentProducer": _AIGC_FORBIDDEN.sub("_", producer),
        "ProduceID": video_id,
    }
    return {AIGC_KEY: json.dumps(record, separators=(",", ":"))}


def append_xmp(
    path: Path,
    origin: Origin,
    *,
    title: str,
    manifest_url: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> None:
    """Add an XMP packet with the digital source type to an MP4, MOV, PNG or JPEG file; others have no place for it.

    ``manifest_url`` is where the manifest is to be had when it is not in the file (C2PA 2.4 section 11.5). Of video
    made elsewhere nothing but this is stated. A picture has no container tags: the AIGC label of ``tags`` goes here.
    """
    kind = source_type(origin)
    picture = names_still(path)
    if (kind is None and manifest_url is None) or not (picture or path.suffix.lower() in _XMP_CONTAINERS):
        return
    properties: dict[str, str] = {}
    if kind is not None:
        properties |= {"Iptc4xmpExt:DigitalSourceType": kind, "xmp:CreatorTool": f"{origin.generator} {origin.version}"}
    if manifest_url is not None:
        properties["dcterms:provenance"] = manifest_url
    if picture:
        insert_xmp(path, _xmp_packet(title, properties, aigc=(tags or {}).get(AIGC_KEY)).encode())
        return
    content = _XMP_UUID + _xmp_packet(title, properties).encode()
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", 8 + len(content), b"uuid") + content)
        file.flush()
        os.fsync(file.fileno())


def read_labels(path: Path, metadata: Mapping[str, str]) -> Labels:
    """The labels of a file; ``metadata`` are its container tags (`MediaInfo.metadata`). Raises OSError."""
    text, records = metadata.get(AIGC_KEY), 0
    if still_format(path) is not None:
        found = _xmp_properties(path, _AIGC_PROPERTY)
        text, records = next(iter(found), None), len(found)
    elif text is not None:
        records = _count_aigc(path)
    aigc, problem = _parse_aigc(text)
    return Labels(aigc, records, problem, _digital_source_type(path))


def manifest_address(path: Path) -> str | None:
    """Where the file's XMP says that its manifest is to be had (C2PA 2.4 section 11.5). Raises OSError."""
    return _xmp_property(path, _PROVENANCE)


def _parse_aigc(text: str | None) -> tuple[dict[str, str] | None, str | None]:
    if text is None:
        return None, None
    if len(text) > _MAX_AIGC:
        return None, "it is longer than 64 KiB"
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None, "it is not JSON"
    if not isinstance(record, dict) or not all(isinstance(value, str) for value in record.values()):
        return None, "it is not an object of strings"
    if record.get("Label") not in ("1", "2", "3"):
        return record, "its Label is not 1, 2 or 3"
    missing = [name for name in _AIGC_FIELDS if name not in record]
    return record, f"it lacks {', '.join(missing)}" if missing else None


def _count_aigc(path: Path) -> int:
    """How many ``AIGC`` keys an MP4 or MOV file has in its index; 1 for other containers, whose reader found one."""
    with path.open("rb") as file:
        try:
            for box in top_level_boxes(file):
                if box.kind == b"moov":
                    file.seek(box.offset + box.header)
                    return file.read(min(box.size - box.header, _MAX_INDEX)).count(b"mdta" + AIGC_KEY.encode())
        except MalformedBoxError:
            pass
    return 1


def _digital_source_type(path: Path) -> str | None:
    return _xmp_property(path, _SOURCE_TYPE)


def _xmp_property(path: Path, pattern: re.Pattern[bytes]) -> str | None:
    return next(iter(_xmp_properties(path, pattern)), None)


def _xmp_properties(path: Path, pattern: re.Pattern[bytes]) -> list[str]:
    """Each value that ``pattern`` finds in the first packet that has any; none where the file is malformed."""
    try:
        for packet in _xmp_packets(path):
            # A pattern and not an XML parser: the packet is hostile, and one property is all that is wanted.
            values = [next(filter(None, match.groups())).strip() for match in pattern.finditer(packet)]
            found = [unescape(value.decode("utf-8", "replace")) for value in values if value]
            if found:
                return found
    except MalformedBoxError:
        pass
    return []


def _xmp_packets(path: Path) -> Iterator[bytes]:
    if still_format(path) is not None:
        yield picture_xmp(path) or b""
        return
    with path.open("rb") as file:
        for box in top_level_boxes(file):
            packet = uuid_payload(file, box, _XMP_UUID, _MAX_XMP)
            if packet:
                yield packet


def _xmp_packet(title: str, properties: Mapping[str, str], *, aigc: str | None = None) -> str:
    # Attributes, because the C2PA reader looks for the address of a remote manifest only there.
    attributes = "".join(f"\n    {name}={quoteattr(value)}" for name, value in properties.items())
    label = "" if aigc is None else f"\n   <TC260:AIGC>{escape(aigc)}</TC260:AIGC>"
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about=""
    xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:dcterms="http://purl.org/dc/terms/"
    xmlns:xmp="http://ns.adobe.com/xap/1.0/"
    xmlns:TC260="http://www.tc260.org.cn/ns/AIGC/1.0/"
    xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"{attributes}>
   <dc:title><rdf:Alt><rdf:li xml:lang="x-default">{escape(title)}</rdf:li></rdf:Alt></dc:title>{label}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>"""
