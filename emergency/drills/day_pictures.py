"""Making a photograph anew from its pixels: whatever else its file carried stays behind. Pure.

Place, device, thumbnail, comments, XMP and maker's notes are not removed one by one, which forgets the one that nobody
has heard of: only the pixels go into a new file. The time by the camera's clock is the one thing that is read out.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from PIL import Image, ImageOps, UnidentifiedImageError

from kernel.clock import BEIJING
from kernel.errors import N_, Invalid

FORMATS = ("JPEG", "PNG", "WEBP")
LONGEST_SIDE, THUMB_SIDE = 2560, 320
MAX_PIXELS = 60_000_000
"""A telephone's 50 megapixels pass; what unfolds to more is refused before it is unfolded."""
QUALITY, THUMB_QUALITY = 85, 72
_EXIF_IFD, _TAKEN, _TAKEN_OFFSET, _CHANGED = 0x8769, 0x9003, 0x9011, 0x0132
_HEIF = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"avif"})
_UNREADABLE = N_("This is no picture that can be read. Send it as JPEG, PNG or WebP.")


@dataclass(frozen=True)
class Picture:
    """A photograph made anew: JPEG bytes, a small one, its size, and when the camera says that it was taken."""

    data: bytes
    thumb: bytes
    width: int
    height: int
    taken_at: datetime | None


def _unreadable() -> Invalid:
    return Invalid(_UNREADABLE, code="not_a_picture")


def make(data: bytes) -> Picture:
    """A new JPEG, upright, at most 2560 pixels long.

    Raises `Invalid`: `not_a_picture`, `heic`, `picture_too_large` (by its pixels, before they are unfolded).
    """
    if data[4:8] == b"ftyp" and data[8:12] in _HEIF:
        raise Invalid(
            N_("HEIC pictures cannot be read here. Set the telephone to “most compatible”, or send it as JPEG."),
            code="heic",
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
                return _make(opened)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, IndexError, TypeError):
        raise _unreadable() from None


def _too_large() -> Invalid:
    return Invalid(
        N_("The picture has more than %(n)s million pixels."), code="picture_too_large", n=MAX_PIXELS // 1_000_000
    )


def _make(opened: Image.Image) -> Picture:
    width, height = opened.size
    if width * height > MAX_PIXELS or min(width, height) < 1:
        raise _too_large()
    taken_at = _taken(opened)
    if opened.format == "JPEG":
        opened.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))  # decoded at a fraction of its size where that is enough
    opened.load()
    upright = ImageOps.exif_transpose(opened) or opened
    flat = _on_white(upright)
    flat.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    small = flat.copy()
    small.thumbnail((THUMB_SIDE, THUMB_SIDE), Image.Resampling.LANCZOS)
    return Picture(_jpeg(flat, QUALITY), _jpeg(small, THUMB_QUALITY), flat.width, flat.height, taken_at)


def _on_white(image: Image.Image) -> Image.Image:
    """Only pixels, in RGB: what was see-through is white."""
    if "A" in image.getbands() or "transparency" in image.info:
        seen = image.convert("RGBA")
        flat = Image.new("RGB", seen.size, "white")
        flat.paste(seen, mask=seen.getchannel("A"))
        return flat
    source = image.convert("RGB")
    flat = Image.new("RGB", source.size)
    flat.paste(source)
    return flat


def _jpeg(image: Image.Image, quality: int) -> bytes:
    target = io.BytesIO()
    image.save(target, "JPEG", quality=quality, optimize=True)
    return target.getvalue()


def _taken(image: Image.Image) -> datetime | None:
    try:
        exif = image.getexif()
        inner = exif.get_ifd(_EXIF_IFD)
        said = str(inner.get(_TAKEN) or exif.get(_CHANGED) or "").strip("\x00 ")
        naive = datetime.strptime(said, "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - the zone comes from the next field
        return naive.replace(tzinfo=_zone(str(inner.get(_TAKEN_OFFSET) or ""))).astimezone(UTC)
    except Exception:  # a broken field of a camera is no reason to refuse the picture
        return None


def _zone(text: str) -> tzinfo:
    if len(text) >= 6 and text[0] in "+-" and text[1:3].isdigit() and text[4:6].isdigit():
        minutes = int(text[1:3]) * 60 + int(text[4:6])
        return timezone(timedelta(minutes=minutes if text[0] == "+" else -minutes))
    return BEIJING
